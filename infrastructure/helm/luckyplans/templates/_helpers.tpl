{{/*
Helpers that concern one component take (dict "root" $ "component" "web").
*/}}

{{/* Selectors and pod labels. Nothing in here may change from one chart version to the next: that would roll every pod. */}}
{{- define "luckyplans.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of every object; "+" in a chart version is not allowed in a label. */}}
{{- define "luckyplans.labels" -}}
{{ include "luckyplans.selector" . }}
app.kubernetes.io/part-of: luckyplans
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
{{- end }}

{{/* Name, namespace and labels; the object's name is the component's unless "name" is given. */}}
{{- define "luckyplans.metadata" -}}
name: {{ .name | default .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "luckyplans.labels" . | nindent 2 }}
{{- end }}

{{/* (dict "repository" "redis" "image" .Values.redis.image). The filter luckyplans.platform.image_ref gives the same text. */}}
{{- define "luckyplans.reference" -}}
{{ .repository }}{{ with .image.tag }}:{{ . }}{{ end }}{{ with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* (dict "root" $ "name" "api-gateway" "image" .Values.apiGateway.image) */}}
{{- define "luckyplans.image" -}}
{{- $image := .root.Values.image -}}
{{- $repository := printf "%s/%s" $image.localPrefix .name -}}
{{- if $image.registry -}}
{{- $repository = printf "%s/%s/%s" $image.registry $image.owner .name -}}
{{- end -}}
{{- include "luckyplans.reference" (dict "repository" $repository "image" .image) -}}
{{- end }}

{{/* (dict "root" $ "uid" 1001): what every pod has in common. */}}
{{- define "luckyplans.pod" -}}
automountServiceAccountToken: false
# Service links would set REDIS_PORT=tcp://... beside the ConfigMap's.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .uid }}
  runAsGroup: {{ .uid }}
  fsGroup: {{ .uid }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "luckyplans.containerSecurityContext" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* No moment without a ready pod, also with one replica. */}}
{{- define "luckyplans.rollingUpdate" -}}
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxSurge: 1
    maxUnavailable: 0
{{- end }}

{{/* (dict "root" $ "component" "web"): replicas apart from each other, those of one revision, where there are several nodes. */}}
{{- define "luckyplans.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "luckyplans.selector" . | nindent 8 }}
{{- end }}

{{/* Traefik learns of an ending pod later than the pod itself: after 9 s was seen, where two cores ran tests beside. */}}
{{- define "luckyplans.drain" -}}
lifecycle:
  preStop:
    sleep:
      seconds: 10
{{- end }}

{{/* (dict "path" "/healthz"): probes of a container with a port named http. */}}
{{- define "luckyplans.httpProbes" -}}
startupProbe:
  httpGet: {path: {{ .path }}, port: http}
  periodSeconds: 1
  failureThreshold: 120
readinessProbe:
  httpGet: {path: {{ .path }}, port: http}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 3
livenessProbe:
  httpGet: {path: {{ .path }}, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{- define "luckyplans.configChecksum" -}}
checksum/config: {{ include "luckyplans.config" . | sha256sum }}
{{- end }}

{{/* Data of luckyplans-config */}}
{{- define "luckyplans.config" -}}
NODE_ENV: {{ .Values.config.nodeEnv | quote }}
CORS_ORIGIN: {{ .Values.config.corsOrigin | quote }}
REDIS_HOST: {{ .Values.config.redisHost | default "redis" | quote }}
REDIS_PORT: {{ .Values.config.redisPort | quote }}
LOG_LEVEL: {{ .Values.config.logLevel | quote }}
{{- end }}

{{/*
Data of luckyplans-secrets in base64: what the cluster has, else something new. It is remembered for the rest of this render,
so that the Secret and the checksums of its consumers speak of the same values. Only for secrets.create, where Helm is live.
*/}}
{{- define "luckyplans.secretData" -}}
{{- if not (hasKey .Values.secrets "generated") -}}
{{- $live := get (lookup "v1" "Secret" .Release.Namespace "luckyplans-secrets") "data" | default dict -}}
{{- $data := dict -}}
{{- range $key := ternary (list "JWT_SECRET" "REDIS_PASSWORD") (list "JWT_SECRET") .Values.redis.auth.enabled -}}
{{- $_ := set $data $key (get $live $key | default (randAlphaNum 48 | b64enc)) -}}
{{- end -}}
{{- $_ := set .Values.secrets "generated" $data -}}
{{- end -}}
{{- toYaml .Values.secrets.generated -}}
{{- end }}

{{/* (dict "root" $ "key" "JWT_SECRET"): on the pods that use the key. Only for secrets.create: no other Secret is read. */}}
{{- define "luckyplans.secretChecksum" -}}
checksum/{{ .key | lower | replace "_" "-" }}: {{ get (include "luckyplans.secretData" .root | fromYaml) .key | sha256sum }}
{{- end }}

{{/* "JWT_SECRET": the variable, from the key of the same name. */}}
{{- define "luckyplans.secretEnv" -}}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: luckyplans-secrets
      key: {{ . }}
{{- end }}

{{/* What the claim of Redis's data asks for in the cluster, as YAML; empty where there is none, or where Helm is not live. */}}
{{- define "luckyplans.liveClaim" -}}
{{- if .Values.secrets.create -}}
{{- get (lookup "v1" "PersistentVolumeClaim" .Release.Namespace "redis-data") "spec" | default dict | toYaml -}}
{{- end -}}
{{- end }}

{{/* A quantity of Kubernetes ("1.5Gi", "50m") or a size of Redis's ("96mb") as a number. */}}
{{- define "luckyplans.number" -}}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 -}}
{{- $_ := merge $units (dict "Ki" 1024.0 "kb" 1024.0 "Mi" 1048576.0 "mb" 1048576.0 "Gi" 1073741824.0 "gb" 1073741824.0 "Ti" 1099511627776.0) -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[A-Za-z]*$" .)) -}}
{{- end }}

{{/* (dict "root" $ "name" "redirect-https"): how an Ingress names a Middleware of this release's namespace. */}}
{{- define "luckyplans.middleware" -}}
{{ printf "%s-%s@kubernetescrd" .root.Release.Namespace .name }}
{{- end }}

{{/* Name of the ClusterIssuer, empty where the certificate is provided. */}}
{{- define "luckyplans.issuer" -}}
{{- if ne .Values.ingress.tls.certificate "provided" -}}
{{ .Release.Namespace }}-{{ .Values.ingress.tls.certificate | replace "_" "-" }}
{{- end -}}
{{- end }}
