"""Sounds out of Debian's packages of free games: music, spoken lines, places and machines by many hands, on many microphones.
The branch `scene` and the timeline's head learn from some packages. From the others, HELD_OUT, nothing learns: what the built plugins
say of their sounds, one by one and mixed, shows how well they do on what they have never heard."""
import os
import re
import subprocess
import tempfile
import zlib
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import soundfile

from . import built, mel, recordings
from .dataset import MUSIC, Clip, restore, spectra, store

SECONDS = 30
PACKAGES = """7kaa-data a7xpg-data ardentryst asc-music btanks-data colobot-common-sounds crrcsim-data drascula-music extremetuxracer-data
fillets-ng-data fillets-ng-data-nl flare-game freecol freedink-data freedroidrpg-data frozen-bubble-data gcin-voice glob2-data gunroar-data
hedgewars-data klettres-data lincity-ng-data lugaru-data marsshooter-data megaglest-data minetest-data mu-cade-data naev-data
noiz2sa-data parsec47-data pathological planetblupi-music-ogg powermanga-data rrootage-data scorched3d-data scratch
seahorse-adventures searchandrescue-data solarwolf starfighter-data supertux-data tuxpaint-stamps-default unknown-horizons
warmux-data warzone2100-music widelands-data""".split()

HELD_OUT = """asc-music colobot-common-sounds drascula-music fillets-ng-data fillets-ng-data-nl flare-game frozen-bubble-data gcin-voice
glob2-data klettres-data lincity-ng-data lugaru-data marsshooter-data naev-data solarwolf warzone2100-music widelands-data""".split()

FIRE = r"/fire(_fire|_small|_large)?[.\d]*\.(ogg|wav)$"

# (packages, path, kind, how many at most, of music in each package); the first that matches a file counts. Packages with
# tracks or voices that the labelled folder holds as well (wesnoth, hyperrogue, ufoai, singularity, nexuiz, asterisk) are left out.
RULES = [
    ("tuxpaint", r"_desc(_\w\w)?\.ogg$", "speech", 420),
    ("tuxpaint", r"english/filled/.*\.ogg$", "speech", 30),
    ("tuxpaint", r"/animals/[^.]*(?<!_..)\.ogg$", "environment", 60),
    ("fillets-ng-data-nl", r"/nl/.*ogg$", "speech", 250),
    ("fillets-ng-data", r"/sound/.*/en/.*ogg$", "speech", 60),
    ("klettres", r"\.ogg$", "speech", 120),
    ("hedgewars", r"/voices/(?!.*(laugh|jump|oh|ouch|hurry|noo|oof)).*ogg$", "speech", 90),
    ("gcin", r"\.ogg$", "speech", 60),
    ("megaglest", r"_(ack|select)\d*\.wav$", "speech", 60),
    ("ardentryst", r"voi_", "speech", 10),
    ("searchandrescue", r"/sounds/", "environment", 40),
    ("lincity", r"/sounds/", "environment", 90),
    ("widelands", r"/sound/", "environment", 70),
    ("megaglest", r"/tilesets/.*/sounds/", "environment", 40),
    ("unknown-horizons", r"/sounds/", "environment", 40),
    ("minetest-data|btanks|freedink|7kaa", FIRE, "environment", 20),
    ("minetest-data", r"footstep|env_sounds|fire|furnace|dig|dug|carts|doors|water", "environment", 50),
    ("flare", r"/soundfx/environment/", "environment", 30),
    ("crrcsim", r"\.wav$", "environment", 15),
    ("scratch", r"/(animal|effects)/", "environment", 40),
    ("scorched3d", r"/misc/(thunder|bird|wolf|sheep|rain|wind|lava|fire|apache)", "environment", 20),
    ("ardentryst", r"rain_loop", "environment", 1),
    ("lugaru", r"wind|desert", "environment", 2),
    ("frozen-bubble|drascula|planetblupi|asc-music|glob2|parsec47|a7xpg|noiz2sa|rrootage|mu-cade|gunroar|powermanga|warzone2100",
     r"\.(ogg|wav|opus)$", "music", 30),
    (".", r"/(musics?|bgm|anthem|soundtrack|tracks?)/.*\.(ogg|wav)$|/music[^/]*\.ogg$", "music", 30),
]
# What has a class among the sounds of an environment; the others are of none.
CALLED = [(r"/rain(_loop)?\.", "rain"), (FIRE, "fire crackling"), (r"/rooster\.", "rooster"), (r"/dog\.ogg$", "dog bark"),
          (r"helicopter_engine|/hh6\d/engine", "helicopter")]
NO_FOLD = -1
SHORTEST = {"music": 15.0, "speech": .3, "environment": .3}  # seconds


def fetch(folder):
    """Downloads the packages that aren't there yet (3 GB in all) and takes the sounds out of them; nothing is installed."""
    for package in PACKAGES:
        place = os.path.join(folder, package)
        if os.path.exists(place):
            continue
        os.makedirs(place + ".part", exist_ok=True)
        with tempfile.TemporaryDirectory() as download:
            subprocess.run(["apt-get", "download", "-qq", package], cwd=download, check=True)
            archive = os.path.join(download, os.listdir(download)[0])
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as tar:
                subprocess.run(["tar", "-x", "-C", place + ".part", "--wildcards", "--no-anchored", "*.ogg", "*.wav", "*.WAV", "*.opus"],
                               stdin=tar.stdout, stderr=subprocess.DEVNULL, check=False)  # 2: no file of one of these names
        os.rename(place + ".part", place)
        print(package, flush=True)


def package_of(path):
    return path.split("/")[0]


def listed(folder):
    """[(path, kind)]: of what the rules allow, chosen by a hash of the path; no contents twice."""
    counts, seen, out = {}, set(), []
    paths = [os.path.relpath(os.path.join(at, name), folder) for package in PACKAGES
             for at, _, names in os.walk(os.path.join(folder, package)) for name in names]
    for path in sorted(paths, key=lambda p: zlib.crc32(p.encode())):
        package = package_of(path)
        rule = next((i for i, r in enumerate(RULES) if re.match(r[0], package) and re.search(r[1], path, re.I)), None)
        if rule is None:
            continue
        with open(os.path.join(folder, path), "rb") as f:
            content = zlib.crc32(f.read())
        kind, key = RULES[rule][2], (rule, package if RULES[rule][2] == "music" else "")
        if content not in seen and counts.get(key, 0) < RULES[rule][3]:
            counts[key] = counts.get(key, 0) + 1
            seen.add(content)
            out.append((path, kind))
    return out


def excerpt(path, kind):
    """(samples, rate) of the sound's first half minute (of music, from a quarter in); None if it is too short, silent or damaged."""
    try:
        with soundfile.SoundFile(path) as f:
            if f.frames < SHORTEST[kind] * f.samplerate:
                return None
            if kind == "music" and f.frames > 2 * SECONDS * f.samplerate:
                f.seek(f.frames // 4)
            samples = f.read(SECONDS * f.samplerate, dtype="float32")
    except (RuntimeError, soundfile.SoundFileError):
        return None
    return (samples, f.samplerate) if np.abs(samples).max() > 1e-3 else None


def class_of(path, kind):
    if kind != "environment":
        return kind
    return next((label for pattern, label in CALLED if re.search(pattern, path, re.I)), "other")


def heard(job):
    """The clip of one sound, of no fold; None if it is none to learn from."""
    folder, path, kind = job
    sound = excerpt(os.path.join(folder, path), kind)
    if sound is None:
        return None
    clip = Clip(path, "games", package_of(path), class_of(path, kind), kind, NO_FOLD)
    clip.spectra = spectra(path, *sound)
    return clip


def load(folder, cache, workers=2):
    """The clips of all packages but those held out, with their spectra; computed once and kept in `cache`."""
    if not os.path.exists(cache):
        fetch(folder)
        jobs = [(folder, path, kind) for path, kind in listed(folder) if package_of(path) not in HELD_OUT]
        with ProcessPoolExecutor(workers) as pool:
            store(cache, [clip for clip in pool.map(heard, jobs, chunksize=8) if clip is not None])
    return restore(cache)


def measure(folder, build, work, log=print):
    """By kind of sound: what content_timeline and classifier of a build say of each sound held out, as a whole; and how well the
    timeline does on mixed recordings of them."""
    names = ("features", "content_timeline", "classifier")
    kinds = {"speech": "speech", "street music": "music", "noise": "noise", "unknown": "unknown", **dict.fromkeys(MUSIC, "music")}
    rows, sounds, wav = {}, {kind: [] for kind in SHORTEST}, os.path.join(work, "game.wav")
    for path, kind in listed(folder):
        sound = excerpt(os.path.join(folder, path), kind) if package_of(path) in HELD_OUT else None
        if sound is None:
            continue
        sounds[kind].append(sound)
        soundfile.write(wav, *sound)
        said = built.results(build, wav, names)
        content, label = (said[n]["label"] for n in names[1:])
        taken = kinds.get(label, "environment")
        rows.setdefault(kind, []).append((content == kind, kind in (content or ""), taken == kind, taken == "unknown"))
    log("sounds of games     n   content_timeline: just that   among others   classifier: right kind   unknown")
    for kind, of in rows.items():
        just, among, right, unknown = np.mean(of, 0)
        log(f"{kind:<15}{len(of):>6}{just:>30.3f}{among:>15.3f}{right:>25.3f}{unknown:>10.3f}")
    recordings.measure(recordings.Stock(sounds, lambda sound: mel.to_rate(*sound), seed=5), build, work, count=40, log=log)
