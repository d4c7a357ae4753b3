/* The table of configuration keys. */
#include "engine/cli/config.h"

static const struct config_key keys[] = {
    {"catalogue.path", CONFIG_TEXT, "", 0, 0, "",
     "The catalogue file. Unset: $XDG_DATA_HOME/sonde/catalogue.db, or ~/.local/share/sonde/catalogue.db."},

    {"engine.jobs", CONFIG_INTEGER, "0", 0, 256, "",
     "Analyser processes at work at once. 0: one for each processor that sonde may use."},
    {"engine.pcm_budget", CONFIG_INTEGER, "96", 24, 4096, "MiB",
     "Decoded audio held in memory at once, over all files. More of it saves decoding a file twice when it is longer than "
     "this holds (4 minutes of CD audio in 96 MiB); memory as a whole stays under 400 MB with the default."},
    {"engine.open_deadline", CONFIG_NUMBER, "20", 1, 3600, "s",
     "How long opening a file may take. A share that hangs longer fails the file, not the run."},
    {"engine.load_deadline", CONFIG_NUMBER, "60", 1, 3600, "s",
     "How long loading a plugin and creating its instances may take."},
    {"engine.decode_deadline", CONFIG_NUMBER, "60", 1, 86400, "s",
     "How long a decoder may go without a word before it is ended. It reports all the while it gets on."},
    {"engine.analyse_deadline", CONFIG_NUMBER, "60", 1, 86400, "s",
     "How long the plugins of one group may take over a region, to which twice the region's length is added."},
    {"engine.circuit_rest", CONFIG_NUMBER, "600", 0.1, 86400, "s",
     "How long a plugin of others rests that has died too often. Then one file tries it again, and if that goes well, what was "
     "skipped meanwhile is taken up."},

    {"engine.min_free", CONFIG_INTEGER, "128", 0, 1000000000, "MiB",
     "Nothing new is begun while less than this is free on the catalogue's disk, and it goes on when there is room again. 0: "
     "only a disk that is full stops it."},
    {"engine.drain", CONFIG_NUMBER, "30", 0, 86400, "s",
     "How long files under way may still take after SIGTERM. What isn't done by then stays in the queue; regions that are done "
     "are kept."},
    {"engine.background", CONFIG_BOOLEAN, "false", 0, 0, "",
     "Workers run only when nobody else needs the processor or the disk."},

    {"queue.order", CONFIG_TEXT, "arrival", 0, 0, "",
     "Which files come first, among those that wait: arrival, newest, oldest or smallest. What somebody asks for with sonde "
     "analyze comes before all of them, what has to be analysed again after."},

    {"watch.folders", CONFIG_TEXT, "", 0, 0, "",
     "Folders that sonde watch watches when it is told none, separated by colons."},
    {"watch.include", CONFIG_TEXT, "", 0, 0, "", "Only names that match one of these globs, separated by spaces."},
    {"watch.exclude", CONFIG_TEXT, "", 0, 0, "", "Not names that match one of these."},
    {"watch.hidden", CONFIG_BOOLEAN, "false", 0, 0, "", "Hidden names too."},
    {"watch.sweep_interval", CONFIG_NUMBER, "300", 1, 1000000, "s",
     "Between two looks at folders that can't be watched: network file systems, and those beyond the system's limit."},

    {"segment.min_silence", CONFIG_NUMBER, "1", 0.05, 60, "s",
     "The shortest silence that separates two regions. Pauses in speech and rests in music are mostly shorter, breaks between "
     "takes longer."},
    {"segment.short_file", CONFIG_NUMBER, "30", 0, 600, "s",
     "A file shorter than this is one region as long as it has no gap of short_silence: hits of one sample, bars of one loop."},
    {"segment.short_silence", CONFIG_NUMBER, "2", 0.05, 600, "s", "See short_file."},
    {"segment.min_region", CONFIG_NUMBER, "0.03", 0.01, 60, "s",
     "The shortest sound that counts. A closed hi-hat lasts longer, a click is shorter."},
    {"segment.padding", CONFIG_NUMBER, "0.2", 0, 10, "s",
     "Kept before and after the sound of each region, so that attacks and tails under the threshold stay with their sound."},
    {"segment.max_region", CONFIG_NUMBER, "600", 10, 600, "s",
     "Longer regions are cut at their quietest point, into parts, so that memory and deadlines stay bounded."},
    {"segment.threshold", CONFIG_NUMBER, "0", -120, 0, "dBFS",
     "A fixed silence threshold. 0: it follows the recording's own noise floor."},
    {"segment.silence", CONFIG_NUMBER, "-60", -120, -20, "dBFS",
     "What is quieter is always silence: below the ambient noise of a listening room at usual levels."},
    {"segment.ceiling", CONFIG_NUMBER, "-34", -120, 0, "dBFS",
     "Steady noise above this is the recording's subject, not its background."},
    {"segment.steady", CONFIG_NUMBER, "9", 1, 60, "dB",
     "How far the level of a silence may vary (20th to 95th percentile). Brown noise reaches 8 dB."},
    {"segment.drift", CONFIG_NUMBER, "0.5", 0, 60, "dB",
     "How much of that may be slow: noise differs from one moment to the next, phrases rise and fall."},
    {"segment.contrast", CONFIG_NUMBER, "12", 1, 60, "dB",
     "Less than this between quiet and loud is no silence but dynamics."},
    {"segment.deep", CONFIG_NUMBER, "35", 1, 120, "dB",
     "What is so far below the sounds around it is silence even if it isn't steady."},
    {"segment.open", CONFIG_NUMBER, "6", 1, 40, "dB",
     "Sound begins so far above the floor: steady noise fluctuates by less."},
    {"segment.close", CONFIG_NUMBER, "2.5", 0.5, 40, "dB",
     "Sound reaches to where it falls so far above the floor: there sound and floor have about the same power."},
    {"segment.window", CONFIG_NUMBER, "15", 1, 600, "s", "How far to each side the floor is looked for."},

    {"worker.memory_limit", CONFIG_INTEGER, "1024", 128, 65536, "MiB",
     "Private memory that one worker may take (RLIMIT_DATA). The bundled plugins stay far below it."},
    {"worker.cpu_limit", CONFIG_INTEGER, "86400", 60, 10000000, "s",
     "Processor time in the life of one worker: a last resort behind the deadlines. Workers are recycled long before."},
    {"worker.path", CONFIG_TEXT, "", 0, 0, "",
     "The worker program. Unset: sonde-worker beside the sonde program, or "
     "where it was installed."},

    {"plugins.bundled", CONFIG_TEXT, "", 0, 0, "",
     "Folder of the bundled plugins. Unset: beside the sonde program, or where they were installed."},
    {"plugins.path", CONFIG_TEXT, "", 0, 0, "",
     "Folders with plugins of others, separated by colons; searched after $SONDE_PLUGIN_PATH, before ~/.local/lib/sonde and the "
     "system's own (/usr/local/lib/sonde, /usr/lib/sonde)."},
    {"plugins.vamp", CONFIG_TEXT, "", 0, 0, "",
     "Vamp libraries (vamp-plugins.org) to use: installed ($VAMP_PATH, or the usual folders), or folders separated by colons. "
     "Unset: none, as each of their plugins costs time on every file. Each library runs in a process of its own."},
    {"plugins.disabled", CONFIG_TEXT, "", 0, 0, "",
     "Ids of plugins not to run, separated by spaces; besides those that `sonde plugin disable` names."},
    {"plugins.isolation", CONFIG_TEXT, "plugin", 0, 0, "",
     "What shares a process among plugins of others: plugin (each its own, the default: one crash costs one result), library, "
     "vendor, or shared. Sharing saves memory and decoding; bundled plugins never share one with others."},

    {NULL, CONFIG_TEXT, NULL, 0, 0, NULL, NULL},
};

const struct config_key *config_keys(void) {
    return keys;
}
