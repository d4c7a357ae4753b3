#!/usr/bin/python3
"""The units for systemd: that it accepts them, and that they leave the engine and its sandboxed workers what they need.
Speaks TAP.

    service.py --build DIR
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

# What the sandbox, the workers and the engine cannot do without; the groups of calls that a unit denies must leave them.
NEEDED = {"seccomp", "prctl", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "memfd_create", "setrlimit",
          "prlimit64", "clone", "clone3", "execve", "vfork", "socketpair", "sendmsg", "recvmsg", "inotify_init1", "inotify_add_watch",
          "sched_setscheduler", "ioprio_set", "setpriority", "kill", "flock", "fallocate", "statfs", "mmap", "mprotect", "getrandom",
          "openat2", "close_range", "epoll_wait", "eventfd2", "fdatasync", "copy_file_range"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    build = os.path.abspath(parser.parse_args().build)
    analyze = shutil.which("systemd-analyze", path="/usr/bin:/bin")
    results = []

    def check(good, name, why=""):
        results.append(good)
        print(f"{'ok' if good else 'not ok'} {len(results)} - {name}", flush=True)
        if not good:
            print("# " + str(why)[-2000:].replace("\n", "\n# "), flush=True)

    for unit, manager in ("sonde-watch.service", "--user"), ("sonde-watch@.service", "--system"):
        with open(os.path.join(build, "tools", unit), encoding="utf-8") as file:
            text = file.read()
        keys = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))
        check(keys["Type"] == "notify" and int(keys["WatchdogSec"]) > 5 and "$MAINPID" in keys["ExecReload"] and
              "HUP" in keys["ExecReload"], f"{unit}: notify, watchdog, reload", keys)
        check(keys.get("NoNewPrivileges") == "yes" and keys["RestrictAddressFamilies"] == "AF_UNIX" and
              not {"MemoryDenyWriteExecute", "RestrictFileSystems"} & set(keys), f"{unit}: hardening that plugins can live with", keys)
        if not analyze:
            check(True, f"{unit}: what systemd says # SKIP systemd-analyze is not installed")
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            place = os.path.join(folder, unit.replace("@.", "@root."))
            with open(place, "w", encoding="utf-8") as file:  # the program is not installed where the unit will look
                file.write(re.sub(r"^ExecStart=\S+", f"ExecStart={build}/engine/cli/sonde", text, flags=re.M))
                file.write("[Service]\nNoSuchDirective=1\n")  # which it must find: else its silence means nothing
            verify = subprocess.run([analyze, "verify", "--man=no", manager, place],
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                                    env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": folder, "HOME": folder,
                                         "SYSTEMD_UNIT_PATH": folder + ":"})
            ours = [line for line in verify.stdout.splitlines() if "sonde" in line]
            if not any("NoSuchDirective" in line for line in ours):
                check(True, f"{unit}: what systemd says # SKIP systemd-analyze can't work here")
                continue
            ours = [line for line in ours if "NoSuchDirective" not in line]
            check(not ours, f"{unit}: systemd finds nothing wrong", verify.stdout)
        denied = set()
        for group in keys["SystemCallFilter"].lstrip("~").split():
            listed = subprocess.run([analyze, "syscall-filter", group], stdout=subprocess.PIPE, text=True, check=False).stdout
            denied |= {line.strip() for line in listed.splitlines()[1:] if line.strip() and not line.strip().startswith(("#", "@"))}
        check(denied and not denied & NEEDED, f"{unit}: it denies nothing that is needed", sorted(denied & NEEDED))
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
