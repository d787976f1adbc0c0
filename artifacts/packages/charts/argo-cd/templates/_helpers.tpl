{{/* As upstream: the names of objects are fixed by `argocd`, whatever the release is called. */}}
{{- define "argocd.selector" -}}
app.kubernetes.io/name: argocd-{{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "argocd.labels" -}}
{{ include "argocd.selector" . }}
app.kubernetes.io/component: {{ .name }}
app.kubernetes.io/part-of: argocd
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "argocd.metadata" -}}
name: argocd-{{ .object | default .name }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "argocd.labels" . | nindent 2 }}
{{- end -}}

{{- define "argocd.image" -}}
{{ printf "%s:%s" .Values.global.image.repository (.Values.global.image.tag | default .Chart.AppVersion) }}
{{- end -}}

{{- define "argocd.podSecurity" -}}
runAsNonRoot: true
runAsUser: 999
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "argocd.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "argocd.redisPassword" -}}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef: {name: argocd-redis, key: auth}
{{- end -}}

{{/* What the programs mount alike: known hosts, certificate authorities of git hosts, and a place to write. */}}
{{- define "argocd.mounts" -}}
- {name: ssh-known-hosts, mountPath: /app/config/ssh}
- {name: tls-certs, mountPath: /app/config/tls}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: /home/argocd}
{{- end -}}

{{- define "argocd.volumes" -}}
- name: ssh-known-hosts
  configMap: {name: argocd-ssh-known-hosts-cm}
- name: tls-certs
  configMap: {name: argocd-tls-certs-cm}
- name: tmp
  emptyDir: {}
- name: home
  emptyDir: {}
{{- end -}}

{{/* Program, its port and the port that says whether it is well. */}}
{{- define "argocd.pod" -}}
metadata:
  labels: {{- include "argocd.labels" . | nindent 4 }}
  annotations:
    checksum/configs: {{ toJson .root.Values.configs | sha256sum }}
spec:
  serviceAccountName: argocd-{{ .name }}
  securityContext: {{- include "argocd.podSecurity" . | nindent 4 }}
  containers:
    - name: {{ .name }}
      image: {{ include "argocd.image" .root }}
      imagePullPolicy: {{ .root.Values.global.image.imagePullPolicy }}
      args: {{- concat (list (printf "/usr/local/bin/argocd-%s" .name)) .args | toYaml | nindent 8 }}
      env:
        {{- include "argocd.redisPassword" . | nindent 8 }}
        {{- with .env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        {{- range $name, $port := .ports }}
        - {name: {{ $name }}, containerPort: {{ $port }}}
        {{- end }}
      readinessProbe:
        httpGet: {path: /healthz, port: {{ .health }}}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 15
      resources: {{- toYaml .resources | nindent 8 }}
      securityContext: {{- include "argocd.containerSecurity" . | nindent 8 }}
      volumeMounts: {{- include "argocd.mounts" . | nindent 8 }}
  volumes: {{- include "argocd.volumes" . | nindent 4 }}
{{- end -}}
