# Sourced by the scripts that run TypeScript: after set-up, `pinned_node ARGS` becomes the Node of the lock file.
pinned_node() {
  local arch=x64
  [ "$(uname -m)" = aarch64 ] && arch=arm64
  export PATH="$root/node_modules/node-linux-$arch/bin:$PATH"
  exec node "$@"
}
