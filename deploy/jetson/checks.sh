# shellcheck shell=bash
# What install.sh looks at before it changes anything: a line for each thing, and how to mend it. Sourced, not run.
# shellcheck disable=SC2034,SC2154 # the variables are install.sh's

LEAST_MEMORY_MIB=2048 # one stream took 0.6 GiB on x86-64, 1.2 with torch, and loading takes more for a moment
LEAST_ROOM_MIB=8192   # the environment takes about 6 GB (torch), weights and plans 0.4 GB
LEAST_UPDATE_MIB=1024 # when the environment is there already

ok() { printf 'ok    %s\n' "$1"; }
warn() { printf 'warn  %s\n' "$1"; }
fail() {
  printf 'FAIL  %s\n' "$1"
  faults=$((faults + 1))
}

check_everything() {
  check_rights
  check_source
  check_python
  check_release
  check_tensorrt
  check_cuda
  check_power
  check_clocks
  check_memory
  check_room
  check_systemd
}

check_rights() {
  if [ "$(id -u)" = 0 ] || [ -n "$root" ] || [ "$dry_run" = yes ] || [ "$only_check" = yes ]; then
    ok "rights: enough for what was asked"
  else
    fail "rights: this installs a service; run it with sudo"
  fi
}

check_source() {
  if [[ $from == *.whl && -f $from ]]; then
    from=$(cd "$(dirname "$from")" && pwd)/$(basename "$from")
    ok "source: the wheel $from"
  elif grep -qs '^name = "ebmc-stream"' "$from/pyproject.toml"; then
    from=$(cd "$from" && pwd)
    ok "source: the clone $from"
  else
    fail "source: $from is neither a clone of EBMC-stream nor a wheel; name one with --from"
  fi
}

check_python() {
  python_version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || python_version=
  case $python_version in
    '') fail "Python: $python is not there; name another with --python" ;;
    3.[0-9] | 3.10) [ "$(l4t_major)" = 36 ] || fail "Python: $python is $python_version, and 3.11 is needed; name a newer one with --python" ;;
    *)
      case $("$python" -c 'import sys; print(sys.base_prefix)') in
        /home/* | /root/*) fail "Python: $python lives in a home folder, which the service does not see; name the system's with --python /usr/bin/python3" ;;
        *) ok "Python: $python is $python_version" ;;
      esac ;;
  esac
}

check_release() {
  local release exact
  release=$(l4t)
  if [ -z "$release" ]; then
    if [ "$any_linux" = yes ]; then ok "release: no Jetson, and none was asked for"
    else fail "release: no /etc/nv_tegra_release and no package nvidia-l4t-core, so this is no Jetson; on a PC, a server or another board add --any-linux"; fi
    return 0
  fi
  exact=$(package_version nvidia-jetpack)
  case $(l4t_major) in
    3[89] | [4-9]?)
      ok "release: JetPack ${exact:-7}, L4T $release" ;;
    36)
      if [ "$engine" = onnx ] && [[ $python_version =~ ^3\.(1[1-9]|[2-9][0-9])$ ]]; then
        warn "release: JetPack ${exact:-6}, L4T $release: no TensorRT for Python $python_version here; the model runs on the CPU, as asked"
      else
        fail "release: JetPack ${exact:-6}, L4T $release: its TensorRT module is for Python 3.10 only, and EBMC-stream needs 3.11. Move to JetPack 7; or use a container (README.md here); or stay on the CPU: install python3.11 and python3.11-venv (from the archive deadsnakes) and add --python python3.11 --engine onnx"
      fi ;;
    *) fail "release: L4T $release is too old; JetPack 7 is needed (JetPack 6 on the CPU)" ;;
  esac
}

check_tensorrt() {
  [ "$engine" != onnx ] || return 0
  local tensorrt mend
  if [ -z "$(l4t)" ] && [ "$engine" = auto ]; then
    ok "TensorRT: not looked for on a machine that is no Jetson; --engine tensorrt asks for it"
    return 0
  fi
  tensorrt=$("$python" -c 'import tensorrt; print(tensorrt.__version__)' 2>/dev/null) || tensorrt=
  if [ -n "$tensorrt" ]; then
    with_tensorrt=yes
    ok "TensorRT: $python sees $tensorrt"
    return 0
  fi
  mend="$python has no module tensorrt: sudo apt-get install -y nvidia-jetpack (or tensorrt python3-libnvinfer), never pip"
  if [ "$engine" = auto ]; then warn "TensorRT: $mend; going on with ONNX Runtime on the CPU"
  else fail "TensorRT: $mend; or take --engine onnx"; fi
}

check_cuda() {
  [ "$with_tensorrt" = yes ] || return 0
  local version
  version=$(sed -n 's/.*"cuda" *: *{[^}]*"version" *: *"\([0-9.]*\)".*/\1/p' "$root/usr/local/cuda/version.json" 2>/dev/null | head -n 1) || version=
  if [ -n "$version" ]; then ok "CUDA: $version"
  elif [ -d "$root/usr/local/cuda" ]; then ok "CUDA: /usr/local/cuda, of a version that it does not tell"
  else warn "CUDA: no /usr/local/cuda; if the engine cannot be built: sudo apt-get install -y nvidia-jetpack"; fi
}

check_power() {
  [ -f "$root/etc/nvpmodel.conf" ] || return 0
  local mode mode_name fastest
  mode=$(sed -n 's/^pmode:0*\([0-9][0-9]*\).*/\1/p' "$root/var/lib/nvpmodel/status" 2>/dev/null | head -n 1) || mode=
  mode_name=$(power_modes | awk -v id="$mode" '$1 == id { print $2 }')
  fastest=$(fastest_mode)
  if [ -z "$mode" ]; then warn "power mode: not noted; sudo nvpmodel -q tells it"
  elif [ -z "$fastest" ] || [ "$mode" = "$fastest" ]; then ok "power mode: ${mode_name:-no name} ($mode)"
  elif [ "$max_power" = yes ]; then ok "power mode: ${mode_name:-no name} ($mode), will be $fastest"
  else warn "power mode: ${mode_name:-no name} ($mode) is not the fastest: sudo nvpmodel -m $fastest, or --max-power here"; fi
}

check_clocks() {
  local folder=$root/sys/devices/system/cpu/cpu0/cpufreq
  [ -n "$(l4t)" ] && [ -f "$folder/cpuinfo_max_freq" ] || return 0
  if [ "$(cat "$folder/scaling_min_freq" 2>/dev/null)" = "$(cat "$folder/cpuinfo_max_freq")" ]; then ok "clocks: held at the highest"
  else warn "clocks: they rise and fall with the load; for steady delays: sudo jetson_clocks, or --max-power here (until the next boot)"; fi
}

check_memory() {
  local total free
  total=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' "$root/proc/meminfo" 2>/dev/null) || total=
  free=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' "$root/proc/meminfo" 2>/dev/null) || free=
  if [ -z "$total" ]; then warn "memory: not known (no /proc/meminfo)"
  elif [ "$total" -lt "$LEAST_MEMORY_MIB" ]; then fail "memory: $total MiB, and a stream needs $LEAST_MEMORY_MIB"
  elif [ "${free:-$total}" -lt "$LEAST_MEMORY_MIB" ]; then warn "memory: $free of $total MiB are free, and a stream needs $LEAST_MEMORY_MIB; close other programs (the desktop: sudo systemctl isolate multi-user)"
  else ok "memory: $free of $total MiB are free"; fi
}

check_room() {
  local folder=$root$prefix needed=$LEAST_ROOM_MIB free
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  [ ! -f "$root$prefix/installed" ] || needed=$LEAST_UPDATE_MIB
  free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1024) }')
  if [ "$free" -lt "$needed" ]; then fail "disk: $free MiB are free for $prefix, and $needed are needed; make room (sudo apt-get clean), or take another disk with --prefix"
  else ok "disk: $free MiB are free for $prefix"; fi
}

check_systemd() {
  if [ -d "$root/run/systemd/system" ]; then ok "systemd: runs"
  else warn "systemd: does not run here (a container?); everything is installed, nothing is started"; fi
}

# the release of L4T, such as 36.4.3; empty on another machine
l4t() {
  local line
  if [ -f "$root/etc/nv_tegra_release" ]; then
    line=$(head -n 1 "$root/etc/nv_tegra_release")
    if [[ $line =~ R([0-9]+)\ \(release\),\ REVISION:\ ([0-9.]+) ]]; then
      echo "${BASH_REMATCH[1]}.${BASH_REMATCH[2]}"
    else
      echo 0 # a Jetson, of a release that cannot be read
    fi
  else
    package_version nvidia-l4t-core | sed 's/-.*//'
  fi
}

l4t_major() { l4t | sed 's/\..*//'; }

# the version of an installed package of the system, from dpkg's own notes; empty if it is not installed
package_version() {
  [ -f "$root/var/lib/dpkg/status" ] || return 0
  awk -v want="Package: $1" '
    BEGIN { RS = ""; FS = "\n" }
    {
      name = there = 0; version = ""
      for (i = 1; i <= NF; i++) {
        if ($i == want) name = 1
        if ($i ~ /^Status: .* installed$/) there = 1
        if ($i ~ /^Version: /) version = substr($i, 10)
      }
      if (name && there) { print version; exit }
    }' "$root/var/lib/dpkg/status"
}

# "NUMBER NAME" of each power mode
power_modes() { sed -n 's/^ *< *POWER_MODEL *ID=\([0-9]*\) *NAME=\([^ >]*\).*/\1 \2/p' "$root/etc/nvpmodel.conf"; }

# the number of the mode without limits, empty if there is none of that name
fastest_mode() { power_modes | awk '$2 == "MAXN_SUPER" { print $1; exit } $2 ~ /^MAXN/ && first == "" { first = $1 } END { if (first != "") print first }' | head -n 1; }
