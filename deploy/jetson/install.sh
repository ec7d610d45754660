#!/usr/bin/env bash
# Install EBMC-stream as a service on a Jetson, or on any Debian or Ubuntu host. Not run on a Jetson yet.
# Exit codes: 0 done, 1 a step failed (mend what it says and run the same again), 2 wrong machine, option or file.
set -Eeuo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/jetson/checks.sh
. "$here/checks.sh"
# shellcheck source=deploy/jetson/steps.sh
. "$here/steps.sh"

root=${ROOT:-}
prefix=/opt/ebmc
python=python3
name=camera
from=$here/../..
command_line='run webcam:0+mic:default --metrics 127.0.0.1:9464'
engine=auto
torch_index=
extras=kafka,web
any_linux=no max_power=no dry_run=no only_check=no uninstall=no purge=no start=yes
user=ebmc

usage() {
  cat <<'TEXT'
Install EBMC-stream as a service that starts with the machine and is started again when it fails.

usage: sudo deploy/jetson/install.sh [OPTION...]

It looks at the machine first, a line for each thing, and stops before it changes anything if something is missing.
Run it again after a failure, after a `git pull`, or after an update of JetPack: what is done is not done again, and
your files in /etc/ebmc are never overwritten.

  --check              look at the machine, change nothing
  --dry-run            print every command that would be run, change nothing
  --command "VERB..."  what the service runs: the command line after the word `ebmc`; try it with `ebmc run` first
                       (run webcam:0+mic:default --metrics 127.0.0.1:9464)
  --name NAME          of this stream; the service is ebmc@NAME, its file /etc/ebmc/NAME.env (camera)
  --engine ENGINE      auto: TensorRT if this machine can, else ONNX Runtime on the CPU; tensorrt or tensorrt:float16:
                       TensorRT or nothing; onnx: the CPU, and neither TensorRT nor a torch for the GPU is looked for (auto)
  --any-linux          this is no Jetson, but Debian or Ubuntu on a PC, a server or another board
  --python PROGRAM     Python 3.11 or newer to make the environment with (python3)
  --from PATH          a clone of the repository or a wheel (the clone this script is in)
  --extras LIST        extras to install (kafka,web)
  --torch-index URL    package index with NVIDIA's torch for this JetPack; only asked if torch sees no GPU after the install
  --max-power          switch to the fastest power mode and hold the clocks there: more heat, and more of the power supply
  --prefix DIR         where the environment goes, not in a home folder (/opt/ebmc)
  --no-start           install everything, start nothing
  --uninstall          stop and remove the service and the environment; keep settings, weights and data
  --purge              with --uninstall: remove those too, and the user
  --root DIR           for a trial: every file that is read or written is below DIR; also the variable ROOT
  --help               this text

Examples:
  sudo deploy/jetson/install.sh --command "run rtsp://camera.local/stream --metrics 127.0.0.1:9464"
  sudo deploy/jetson/install.sh --name door --command "run webcam:1 --metrics 127.0.0.1:9465"
  sudo deploy/jetson/install.sh --any-linux --dry-run
TEXT
}

wrong() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --check) only_check=yes ;;
    --dry-run) dry_run=yes ;;
    --any-linux) any_linux=yes ;;
    --max-power) max_power=yes ;;
    --no-start) start=no ;;
    --uninstall) uninstall=yes ;;
    --purge) purge=yes ;;
    --help | -h) usage; exit 0 ;;
    --command | --name | --engine | --python | --from | --extras | --torch-index | --prefix | --root)
      if [ -z "${2:-}" ]; then wrong "$1 needs a value; --help shows an example"; fi
      case $1 in
        --command) command_line=$2 ;;
        --name) name=$2 ;;
        --engine) engine=$2 ;;
        --python) python=$2 ;;
        --from) from=$2 ;;
        --extras) extras=$2 ;;
        --torch-index) torch_index=$2 ;;
        --prefix) prefix=$2 ;;
        --root) root=$2 ;;
      esac
      shift ;;
    *) wrong "there is no option $1; --help lists them" ;;
  esac
  shift
done

[[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || wrong "--name $name: letters, digits, dots, dashes and underscores only"
[[ $engine =~ ^(auto|onnx|tensorrt(:float(32|16))?)$ ]] || wrong "--engine $engine: auto, onnx, tensorrt or tensorrt:float16"
[[ $prefix =~ ^/[A-Za-z0-9._/-]+$ && $prefix != *..* ]] || wrong "--prefix $prefix: an absolute path without blanks"
case $prefix in /home/* | /root/* | /tmp/*) wrong "--prefix $prefix: the service sees no home folder and no /tmp; take /opt/…" ;; esac
case $command_line in *[\"\\]* | *$'\n'*) wrong "--command: no double quotes, backslashes or line ends; write those into /etc/ebmc/$name.env" ;; esac
[ -z "$root" ] || root=$(cd "$root" 2>/dev/null && pwd) || wrong "--root: there is no such folder"
[ "$purge" = no ] || [ "$uninstall" = yes ] || wrong "--purge goes with --uninstall"
root=${root%/}
venv=$root$prefix/venv
units=$root/etc/systemd/system
with_tensorrt=no faults=0 changed=no current=start

# what is installed for one person must not count as installed for the service
export PYTHONNOUSERSITE=1
unset PYTHONPATH PYTHONHOME

trap 'broken $?' ERR
broken() {
  trap - ERR
  printf 'install.sh: the step "%s" failed (exit code %s): the lines above say why. Run the same command again; what is done is not done again.\n' \
    "$current" "$1" >&2
  exit 1
}

if [ "$uninstall" = yes ]; then
  check_rights
  [ "$faults" = 0 ] || exit 2
  remove_everything
  exit 0
fi

check_everything
if [ "$only_check" = yes ]; then
  [ "$faults" = 0 ] || exit 2
  exit 0
fi
if [ "$faults" != 0 ]; then
  printf 'install.sh: %s of these must be mended first; nothing was changed.\n' "$faults" >&2
  [ "$dry_run" = yes ] || exit 2
fi

step packages install_packages
step power set_power
step user make_user
step environment make_environment
step program install_program
step torch see_gpu
step weights pull_weights
step engine build_engine
step settings write_settings
step unit write_unit
step service start_service
farewell
[ "$faults" = 0 ] || exit 2
