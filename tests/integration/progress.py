#!/usr/bin/env python3
"""Progress within one long file: in a run of its own, and when a running engine analyses it. Speaks TAP."""
import json
import os
import random
import subprocess
import wave

from watch_rig import main


def noise(path, minutes):
    with wave.open(path, "wb") as target:
        target.setparams((1, 2, 8000, 0, "NONE", None))
        for k in range(minutes):
            target.writeframes(random.Random(k).randbytes(2 * 8000 * 60))
    return path


def followed(rig, path, name):
    """Analyses one file, and looks at all that is said on the way."""
    code, text = rig.command("analyze", "--progress", "json", path)
    events = [json.loads(line) for line in text.splitlines()]
    steps = [(e["audio_done"], e["audio_total"], e["fraction"]) for e in events if e["event"] == "progress" and e["audio_total"] > 0]
    rig.check(code == 0 and any(0 < done < total for done, total, _ in steps), f"{name}: it is seen how far it is", text)
    rig.check(all(abs(fraction - done / total) < 1e-3 for done, total, fraction in steps), f"{name}: by its seconds of audio", text)


def alone(rig):
    followed(rig, noise(os.path.join(rig.work, "long.wav"), 45), "a run of its own")


def handed_over(rig):
    rig.start()
    followed(rig, noise(os.path.join(rig.work, "long.wav"), 45), "a running engine")
    rig.stop()


def drained(rig):
    """The running engine is told to end before it has done what it was given."""
    paths = [noise(os.path.join(rig.work, f"long {k}.wav"), 10 + k) for k in range(12)]
    rig.start()
    asked = subprocess.Popen([rig.sonde, "--catalogue", rig.catalogue, "analyze", "--progress", "json", *paths], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    for line in asked.stdout:
        if b'"file"' in line:
            break
    rig.stop()
    out, err = asked.communicate(timeout=60)
    end = json.loads(out.splitlines()[-1])
    rig.check(asked.returncode == 1 and end["event"] == "end" and end["stopped"] and end["files_done"] < len(paths),
              "what the engine leaves in the queue was stopped", (end, err))


if __name__ == "__main__":
    main(__doc__, {test.__name__: test for test in (alone, handed_over, drained)})
