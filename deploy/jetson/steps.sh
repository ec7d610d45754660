# shellcheck shell=bash
# What install.sh does, one function a step; each looks first whether its work is done. Sourced, not run.
# shellcheck disable=SC2034,SC2154 # the variables are install.sh's

LIBRARIES=(libgl1 libegl1 libgles2 libglib2.0-0) # MediaPipe and OpenCV load them from the system

step() {
  current=$1
  "$2"
}

say() {
  printf '+'
  printf ' %q' "$@"
  printf '\n'
}

# say a command, and run it unless this is a dry run
run() {
  say "$@"
  [ "$dry_run" = yes ] || "$@"
}

# the same, with its standard input closed: nvpmodel may ask whether to reboot
run_unasked() {
  say "$@"
  [ "$dry_run" = yes ] || "$@" </dev/null
}

# the same as the user of the service, with the folders that the service has
run_as_user() {
  run runuser -u "$user" -- env --chdir="$root/var/lib/ebmc" XDG_CACHE_HOME="$root/var/cache" XDG_STATE_HOME="$root/var/lib" \
    HOME="$root/var/lib/ebmc" MPLCONFIGDIR="$root/var/cache/ebmc/matplotlib" "$@"
}

booted() { [ -d "$root/run/systemd/system" ]; }

install_packages() {
  local wanted=("${LIBRARIES[@]}") missing=() package
  [ "$python" != python3 ] || wanted+=(python3-venv)
  for package in "${wanted[@]}"; do # Ubuntu 24.04 calls some of them NAMEt64
    [ -n "$(package_version "$package")$(package_version "${package}t64")" ] || missing+=("$package")
  done
  [ "${#missing[@]}" != 0 ] || return 0
  run apt-get update -q
  run env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

set_power() {
  [ "$max_power" = yes ] && [ -f "$root/etc/nvpmodel.conf" ] || return 0
  local fastest
  fastest=$(fastest_mode)
  if [ -n "$fastest" ] && ! grep -qs "^pmode:0*$fastest\$" "$root/var/lib/nvpmodel/status"; then
    run_unasked nvpmodel -m "$fastest"
  fi
  run jetson_clocks
}

make_user() {
  local groups='' group
  if ! grep -qs "^$user:" "$root/etc/passwd"; then
    for group in video audio render; do
      if grep -qs "^$group:" "$root/etc/group"; then groups+=${groups:+,}$group; fi
    done
    run useradd ${root:+--prefix "$root"} --system --user-group --home-dir /var/lib/ebmc --no-create-home \
      --shell /usr/sbin/nologin ${groups:+--groups "$groups"} "$user"
  fi
  for group in lib cache; do
    [ -d "$root/var/$group/ebmc" ] || run install -d -m 0750 -o "$user" -g "$user" "$root/var/$group/ebmc"
  done
}

# where TensorRT is to be used, the system's packages are seen: its module is one of them
make_environment() {
  local sees=()
  [ "$with_tensorrt" = no ] || sees=(--system-site-packages)
  if [ -x "$venv/bin/python" ]; then
    if [ "$(identity "$venv/bin/python")" = "$(identity "$python")" ] &&
      { [ "$with_tensorrt" = no ] || grep -qs '^include-system-site-packages = true' "$venv/pyvenv.cfg"; }; then
      return 0
    fi
    run rm -rf "$venv" "$root$prefix/installed" # made by another Python, or without the system's packages
  fi
  run "$python" -m venv "${sees[@]}" "$venv"
}

identity() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2], sys.base_prefix)' 2>/dev/null || true; }

install_program() {
  local print
  print="$(fingerprint) $extras"
  if [ -x "$venv/bin/ebmc" ] && [ "$(cat "$root$prefix/installed" 2>/dev/null)" = "$print" ]; then return 0; fi
  local pip=("$venv/bin/python" -m pip --disable-pip-version-check install --no-cache-dir)
  run "${pip[@]}" "${from}[${extras}]"
  # the same version may hold other files
  [ ! -f "$root$prefix/installed" ] || run "${pip[@]}" --force-reinstall --no-deps "$from"
  put "$root$prefix/installed" 0644 "$print"
}

fingerprint() {
  if [[ $from == *.whl ]]; then sha256sum "$from" | cut -d ' ' -f 1
  elif [ -d "$from/stream" ]; then
    (cd "$from" && find stream engines ebmc_core pyproject.toml -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z |
      xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1)
  fi
}

# the buffers of the TensorRT engine are torch's, so torch must see the GPU; the one on PyPI is built for CUDA 13
see_gpu() {
  [ "$with_tensorrt" = yes ] || return 0
  local look=("$venv/bin/python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())') version
  if [ "$dry_run" = yes ]; then
    run "${look[@]}"
    return 0
  fi
  if "${look[@]}"; then
    ok "torch: sees the GPU"
    return 0
  fi
  if [ -n "$torch_index" ]; then
    version=$("$venv/bin/python" -c 'from importlib.metadata import version; print(version("torch").partition("+")[0])')
    run "$venv/bin/python" -m pip --disable-pip-version-check install --no-cache-dir --force-reinstall --no-deps \
      --index-url "$torch_index" "torch==$version" "torchaudio==$version"
    if "${look[@]}"; then
      ok "torch: NVIDIA's sees the GPU"
      return 0
    fi
  fi
  without_tensorrt "torch sees no GPU; name NVIDIA's index for this JetPack with --torch-index URL"
}

# go on with the CPU where that was left open; the model itself takes a millisecond a window there (x86-64)
without_tensorrt() {
  with_tensorrt=no
  if [ "$engine" = auto ]; then
    warn "engine: $1; going on with ONNX Runtime on the CPU"
  else
    printf 'install.sh: %s, or take --engine onnx\n' "$1" >&2
    return 1
  fi
}

pull_weights() { run_as_user "$venv/bin/ebmc" models pull; }

# built if there is none that fits graph, TensorRT, driver and GPU; then proven against torch
build_engine() {
  [ "$with_tensorrt" = yes ] || return 0
  local precision=float32
  [[ $engine != *:* ]] || precision=${engine#*:}
  if run_as_user "$venv/bin/ebmc" engine build live-en --backend tensorrt --precision "$precision" &&
    run_as_user "$venv/bin/ebmc" engine verify live-en --engine "tensorrt:$precision"; then
    return 0
  fi
  without_tensorrt "the engine could not be built (the lines above say why)"
}

write_settings() {
  local file=$root/etc/ebmc/$name.env text
  text="# What ebmc@$name runs. After a change: sudo systemctl restart ebmc@$name
# COMMAND is the command line after the word ebmc; deploy/systemd/ebmc.env.example shows more.
COMMAND=\"$command_line\"
EBMC_ENGINE=$engine"
  if [ -f "$file" ]; then
    [ "$(cat "$file")" = "$text" ] || ok "settings: kept $file, which is yours; --command and --engine do not change it"
    return 0
  fi
  put "$file" 0640 "$text"
  run chown "root:$user" "$file"
}

# the unit, and `ebmc` as the service runs it, for those who look into something by hand
write_unit() {
  local unit=$here/../systemd/ebmc@.service
  put "$root$prefix/ebmc" 0755 "#!/bin/sh
# ebmc as its service runs it: as the same user, with the same folders. Use it with sudo.
exec runuser -u $user -- env --chdir=/var/lib/ebmc XDG_CACHE_HOME=/var/cache XDG_STATE_HOME=/var/lib HOME=/var/lib/ebmc \\
  MPLCONFIGDIR=/var/cache/ebmc/matplotlib $prefix/venv/bin/ebmc \"\$@\""
  put "$units/ebmc@.service" 0644 "$(sed "s|/opt/ebmc/|$prefix/|" "$unit")"
  if [ -n "$(l4t)" ]; then put "$units/ebmc@.service.d/jetson.conf" 0644 "$(cat "$here/../systemd/jetson.conf")"; fi
}

# write a file if it says something else: PATH MODE TEXT
put() {
  if [ -f "$1" ] && [ "$(cat "$1")" = "$3" ]; then return 0; fi
  changed=yes
  printf '+ write %q\n' "$1"
  [ "$dry_run" = no ] || return 0
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "$3" >"$1.new"
  chmod "$2" "$1.new"
  mv "$1.new" "$1"
}

start_service() {
  if ! booted || [ "$start" = no ]; then
    ok "service: installed, not started; later: sudo systemctl daemon-reload && sudo systemctl enable --now --no-block ebmc@$name"
    return 0
  fi
  if [ "$changed" = yes ]; then
    run systemctl daemon-reload
    run systemctl try-restart --no-block 'ebmc@*.service' # the other streams run this program too
  fi
  if ! systemctl is-enabled --quiet "ebmc@$name" 2>/dev/null; then run systemctl enable "ebmc@$name"; fi
  if ! systemctl is-active --quiet "ebmc@$name" 2>/dev/null; then run systemctl start --no-block "ebmc@$name"; fi
}

farewell() {
  if [ "$dry_run" = yes ]; then
    echo "This was a dry run: nothing was changed."
    return 0
  fi
  cat <<TEXT
Done. The service is ebmc@$name.
  what it does    systemctl status ebmc@$name        (running, or what it waits for)
  events and log  journalctl -u ebmc@$name -o cat -f
  its source      /etc/ebmc/$name.env, then: sudo systemctl restart ebmc@$name
  a fault         sudo $prefix/ebmc doctor
TEXT
}

remove_everything() {
  local file found=no
  current=uninstall
  for file in "$root"/etc/ebmc/*.env; do
    [ -f "$file" ] || continue
    found=yes
    if booted; then run systemctl disable --now "ebmc@$(basename "$file" .env)"; fi
  done
  for file in "$units/ebmc@.service" "$units/ebmc@.service.d/jetson.conf" "$venv" "$root$prefix/installed" "$root$prefix/ebmc"; do
    [ -e "$file" ] || continue
    found=yes
    run rm -rf "$file"
  done
  for file in "$units/ebmc@.service.d" "$root$prefix"; do
    if [ -d "$file" ]; then run rmdir --ignore-fail-on-non-empty "$file"; fi
  done
  if booted && [ "$found" = yes ]; then run systemctl daemon-reload; fi
  if [ "$purge" = yes ]; then
    for file in "$root/etc/ebmc" "$root/var/lib/ebmc" "$root/var/cache/ebmc"; do
      if [ -e "$file" ]; then run rm -rf "$file"; fi
    done
    if grep -qs "^$user:" "$root/etc/passwd"; then run userdel ${root:+--prefix "$root"} "$user"; fi
  elif [ "$found" = yes ]; then
    ok "kept: /etc/ebmc, /var/lib/ebmc, /var/cache/ebmc and the user $user; --purge removes them too"
  fi
  if [ "$found" = yes ]; then ok "uninstalled"; else ok "nothing is installed under $prefix"; fi
}
