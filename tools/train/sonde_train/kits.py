"""Drum hits that were recorded: the kits of the Debian package hydrogen-drumkits, of which the second opinion on the timbre
learns. A kit is a source."""
import os
import re
import xml.etree.ElementTree

import soundfile

from . import dataset

FOLDER = "/usr/share/hydrogen/data/drumkits"
LAYERS = 4  # of an instrument: as hard as it was hit

# The first that matches an instrument's name tells its class; None: it is left out.
NAMES = [(r"roll|stick|rim click|click|zap|fx|whistle|stomp|^drum|sample|redo", None),
         (r"cajon|conga|bongo|djembe|sangban|dununba|kenkeni|maraca|tambourine|cowbell|clave|wood ?block|agogo|waterglass",
          "percussion"),
         (r"hh|hi.?hat|\bhat\b", "hi-hat"), (r"kick|bass ?drum", "kick"), (r"snare|clap|snap", "snare"), (r"tom", "tom"),
         (r"crash|ride|splash|china|cymbal|bell", "cymbal")]


def label_of(name):
    return next((label for pattern, label in NAMES if re.search(pattern, name, re.I)), None)


def instruments(kit):
    """(name, files from soft to loud) of a kit."""
    def local(element):
        return element.tag.rsplit("}", 1)[-1]
    for instrument in xml.etree.ElementTree.parse(os.path.join(kit, "drumkit.xml")).iter():
        if local(instrument) != "instrument":
            continue
        names = [e.text for e in instrument.iter() if local(e) == "name" and e.text]
        files = [e.text for e in instrument.iter() if local(e) == "filename" and e.text]
        if names and files:
            yield names[0], files


def recorded(folder=FOLDER):
    """Yields (name, source, class, samples, rate); nothing where the package isn't installed."""
    for kit in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        for name, files in instruments(os.path.join(folder, kit)):
            label = label_of(name)
            step = max(len(files) / LAYERS, 1)
            for k in range(min(len(files), LAYERS)) if label else []:
                path = os.path.join(folder, kit, files[int(k * step)])
                if not os.path.exists(path):
                    continue
                samples, rate = soundfile.read(path, dtype="float32")
                if len(samples) and abs(samples).max() > 1e-3:
                    yield f"{kit}/{name}-{k}", kit, label, samples, rate


def load(cache):
    """The hits as clips with their spectra; computed once and kept in `cache`."""
    if os.path.exists(cache):
        return dataset.restore(cache)
    clips = []
    for name, source, label, samples, rate in recorded():
        clip = dataset.Clip(name, "kits", source, label, "music", dataset.spread(source))
        clip.spectra = dataset.spectra(name, samples, rate, 8)
        clips.append(clip)
    if clips:
        dataset.store(cache, clips)
    return clips
