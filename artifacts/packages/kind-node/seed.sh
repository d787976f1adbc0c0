# Runs in a container of the node without images: imports the images of standard input (docker save) into containerd and
# writes its database, its unpacked layers and its small blobs to standard output.
# Arguments: the name of the image whose lowest layer is kept as a blob, then pairs of a name and the name in the node.
set -euo pipefail

exec 3>&1 1>&2
trap 'exit 1' TERM INT
containerd --log-level warn &
containerd=$!
until ctr version > /dev/null 2>&1; do
  kill -0 "$containerd"
  sleep 0.1
done
ctr -n k8s.io images import - > /dev/null

layers() { # <name>
  local digest
  digest=$(ctr -n k8s.io images list "name==$1" | awk 'NR == 2 { print $3 }')
  ctr -n k8s.io content get "$digest" | jq -r '.layers[].digest'
}

# Once unpacked, the blob of a layer has done its work. Debian's alone stays: the images of applications start with the
# same layer, and an import that finds its blob need not bring it.
kept=$(layers "$1" | head -n 1)
shift
while [ $# -gt 0 ]; do
  for digest in $(layers "$1"); do
    if [ "$digest" != "$kept" ]; then
      ctr -n k8s.io content rm "$digest" > /dev/null || true
    fi
  done
  ctr -n k8s.io images tag "$1" "$2" > /dev/null
  ctr -n k8s.io images rm --sync "$1" > /dev/null
  shift 2
done
ctr -n k8s.io images list

kill "$containerd"
wait "$containerd" || true
cd /var/lib/containerd
if [ -n "$(find io.containerd.snapshotter.v1.overlayfs -type c -print -quit)" ]; then
  echo "a layer removes files of the layer below it, which an image cannot carry" >&2
  exit 1
fi
tar -c --numeric-owner \
  io.containerd.content.v1.content/blobs io.containerd.metadata.v1.bolt io.containerd.snapshotter.v1.overlayfs >&3
