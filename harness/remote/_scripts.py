"""The scripts that run on a device, for any POSIX shell: Android's, busybox's and a board's."""

from __future__ import annotations

import shlex

__all__ = ["LOCKED", "REFUSED", "TIMED_OUT", "logs", "prepare", "purge", "start", "status", "stop", "unpack"]

# Exit statuses of the scripts.
REFUSED = 66
DIED = 70
TIMED_OUT = 74
LOCKED = 75

# The agent's process, where it is one of ours: another may have its number by now, or it may be a dead one that nobody
# has waited for.
_PID = """\
pid() {
  p=$(cat agent.pid 2>/dev/null)
  case "$p" in ''|*[!0-9]*) return 1;; esac
  { tr '\\0' ' ' <"/proc/$p/cmdline"; } 2>/dev/null | grep -qF "unix:$d/agent.sock" && echo "$p"
}
"""
_STOP = """\
if p=$(pid); then
  kill "$p" 2>/dev/null
  i=0
  while pid >/dev/null; do
    i=$((i + 1))
    [ $i -eq 40 ] && kill -9 "$p" 2>/dev/null
    [ $i -gt 60 ] && exit 74
    sleep 0.25 2>/dev/null || sleep 1
  done
  echo "stopped $p"
fi
rm -f agent.pid agent.sock agent.bundle
"""


def status(home: str) -> str:
    """Lines of a word and a value: what the machine is, and what of ours is there.

    Args:
        home: the folder of ours, which may not exist.
    """
    return _in(
        home,
        f"""\
echo "machine $(uname -m)"
o=$d; [ -d "$o" ] || o=${{d%/*}}
f=$(df -kP "$o" 2>/dev/null || df -k "$o" 2>/dev/null)
echo "free $(echo "$f" | tail -n 1)"
cd "$d" 2>/dev/null || exit 0
for b in bundles/*/complete; do [ -e "$b" ] && echo "bundle $b $(head -n 1 "$b")"; done
{_PID}p=$(pid) && echo "pid $p"
[ -S agent.sock ] && echo "socket yes"
grep -q '^listening on ' agent.log 2>/dev/null && echo "ready yes"
[ -e agent.bundle ] && echo "runs $(cat agent.bundle)"
echo "used $(du -sk . 2>/dev/null | head -n 1)"
exit 0""",
    )


def prepare(home: str) -> str:
    """Make the folder of ours, for its user alone, and the one for uploads.

    Args:
        home: the folder of ours.
    """
    return _in(home, 'mkdir -p "$d" && chmod 700 "$d" && cd "$d" && mkdir -p bundles upload')


def unpack(home: str, *, name: str, upload: str, sha256: str, version: str) -> str:
    """Check an uploaded bundle and put it into its place in one step; bundles that nobody uses go.

    Args:
        home: the folder of ours.
        name: of the bundle's folder.
        upload: the archive's name in the folder for uploads, which no other host's has.
        sha256: of the upload, in hexadecimal digits.
        version: of the agent in it.
    """
    return _in(
        home,
        f"""\
cd "$d" || exit 1
n={shlex.quote(name)}; u=upload/{shlex.quote(upload)}
if [ ! -e "bundles/$n/complete" ]; then
  s=$(sha256sum "$u" | cut -d ' ' -f 1)
  if [ "$s" != {shlex.quote(sha256)} ]; then rm -f "$u"; echo "the copy is damaged: sha256 $s"; exit {REFUSED}; fi
  t=bundles/$n.part.$$
  rm -rf "$t"; mkdir "$t" || exit 1
  if ! tar -xzf "$u" -C "$t"; then rm -rf "$t" "$u"; exit 67; fi
  r=$t
  [ -x "$r/run" ] || for x in "$t"/*/run; do r=${{x%/run}}; done
  if [ ! -x "$r/run" ]; then rm -rf "$t" "$u"; echo "the bundle has no program run"; exit 68; fi
  echo {shlex.quote(version)} >"$r/complete"
  # Another host may have put the same bundle there meanwhile, and have started it.
  if [ ! -e "bundles/$n/complete" ]; then
    [ ! -e "bundles/$n" ] || rm -rf "bundles/$n"
    mv "$r" "bundles/$n" || exit 1
  fi
  rm -rf "$t"
fi
rm -f "$u"
find upload -type f -mmin +60 -exec rm -f {{}} \\; 2>/dev/null
k=$(cat agent.bundle 2>/dev/null)
for o in bundles/*; do
  case "$o" in
    "bundles/$n"|"bundles/$k") ;;
    *.part.*) kill -0 "${{o##*.}}" 2>/dev/null || rm -rf "$o";;
    *) rm -rf "$o";;
  esac
done
exit 0""",
    )


def start(home: str, *, name: str, seconds: int) -> str:
    """Start the agent of a bundle in a session of its own, and wait until it listens; one that runs is left alone.

    Args:
        home: the folder of ours.
        name: of the bundle's folder.
        seconds: that its start may take.
    """
    return _in(
        home,
        f"""\
cd "$d" || exit 1
b=$d/bundles/{shlex.quote(name)}
[ -x "$b/run" ] || {{ echo "bundle {name} is not installed"; exit {REFUSED}; }}
if ! mkdir starting 2>/dev/null; then
  sleep 1; q=$(cat starting/pid 2>/dev/null)
  [ -n "$q" ] && kill -0 "$q" 2>/dev/null && exit {LOCKED}
  rm -rf starting; mkdir starting 2>/dev/null || exit {LOCKED}
fi
echo $$ >starting/pid
trap 'rm -rf starting' EXIT
{_PID}pid >/dev/null && grep -q '^listening on ' agent.log && exit 0
{_STOP}[ -e agent.log ] && mv agent.log agent.log.1
mkdir -p store tmp
echo {shlex.quote(name)} >agent.bundle
TMPDIR=$d/tmp setsid sh -c 'echo $$ >agent.pid; exec "$0" "$@"' "$b/run" -m device_agent.cli \\
  --listen "unix:$d/agent.sock" --store "$d/store" </dev/null >agent.log 2>&1 &
c=$!
e=$(($(date +%s) + {seconds}))
while [ "$(date +%s)" -le $e ]; do
  grep -q '^listening on ' agent.log 2>/dev/null && exit 0
  if ! pid >/dev/null && ! kill -0 $c 2>/dev/null; then
    rm -f agent.pid agent.bundle; echo "it ended at its start: $(tail -n 3 agent.log)"; exit {DIED}
  fi
  sleep 0.2 2>/dev/null || sleep 1
done
{_STOP}exit {TIMED_OUT}""",
    )


def stop(home: str) -> str:
    """End the agent: in order, after ten seconds by force.

    Args:
        home: the folder of ours.
    """
    return _in(home, f'cd "$d" 2>/dev/null || exit 0\n{_PID}{_STOP}exit 0')


def logs(home: str, *, lines: int, before: bool) -> str:
    """The end of the agent's log.

    Args:
        home: the folder of ours.
        lines: at most so many.
        before: of the agent that ran before this one.
    """
    return _in(home, f'tail -n {lines} "$d/agent.log{".1" if before else ""}" 2>/dev/null; exit 0')


def purge(home: str) -> str:
    """End the agent and remove what is ours; the names of what is not are printed, and it stays.

    Args:
        home: the folder of ours.
    """
    ours = "agent.pid agent.sock agent.bundle agent.log agent.log.1 bundles upload store tmp starting"
    return _in(
        home,
        f"""\
cd "$d" 2>/dev/null || exit 0
{_PID}{_STOP}rm -rf {ours}
cd .. && rmdir "$d" 2>/dev/null
[ -e "$d" ] && ls -A "$d"
exit 0""",
    )


def _in(home: str, script: str) -> str:
    # Whatever a script makes is for its user alone.
    return f"d={shlex.quote(home)}\numask 077\n{script}"
