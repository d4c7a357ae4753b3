#!/usr/bin/python3
"""Files and folders that give other programs trouble, under sonde watch. Speaks TAP.

    odd_paths.py --build DIR [NAME...]     NAME: only these tests
"""
import os
import shutil
import signal
import sqlite3
import subprocess
import time
import unicodedata

from watch_rig import main


def retag(source, target, text):
    """The same sound in other bytes: a comment at the end of the WAV."""
    with open(source, "rb") as file:
        data = bytearray(file.read())
    body = b"INFOICMT" + len(text).to_bytes(4, "little") + text
    data += b"LIST" + len(body).to_bytes(4, "little") + body
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    with open(target, "wb") as file:
        file.write(data)


def ids(rig, name):
    return rig.rows("SELECT file_id FROM files WHERE path = ?", os.fsencode(rig.at(name)))


def names(rig):
    """Links in circles, case, composed and decomposed characters, bytes that are no text, names that end in a newline."""
    check, at = rig.check, rig.at
    os.mkdir(at("a"))
    os.symlink(rig.folder, at("a/up"))
    os.symlink("b", at("c"))
    os.symlink("c", at("b"))
    shutil.copy(rig.sounds[0], at("a/Kick.wav"))
    composed, decomposed = (unicodedata.normalize(form, "caf\u00e9.wav") for form in ("NFC", "NFD"))
    shutil.copy(rig.sounds[1], at(composed))
    shutil.copy(rig.sounds[2], at(decomposed))
    odd = os.fsdecode(b"\xff\xfe \x01.wav")
    shutil.copy(rig.sounds[3], at(odd))
    shutil.copy(rig.sounds[4], at("line\nbreak.wav"))
    rig.start()
    check(rig.done("a/Kick.wav", composed, decomposed, odd, "line\nbreak.wav"), "all of them are analysed")
    check(rig.rows("SELECT count(*) FROM files WHERE status = 'done'") == [(5,)], "each once, for all the circles",
          rig.rows("SELECT path_text, status FROM files"))
    check(len({tuple(ids(rig, name)) for name in (composed, decomposed)}) == 2 and
          len(rig.rows("SELECT DISTINCT content_id FROM files WHERE name LIKE 'caf%'")) == 2, "twins in NFC and NFD are two files")
    check(rig.command("show", at(decomposed))[0] == 0 and rig.command("show", at(odd))[0] == 0, "and can be asked for")
    check(rig.wait(lambda: rig.count("event=file status=done ") == 5) and rig.hears("line\ufffdbreak.wav"), "one line an event, whatever the name")
    names = [os.fsencode(at(name)) for name in (odd, "line\nbreak.wav")]
    check(rig.count(" path_hex=") == 2 and all(rig.hears(" path_hex=" + name.hex() + " ") for name in names),
          "and the bytes of those that aren't plain text")
    os.rename(at(odd), at("plain.wav"))
    check(rig.wait(lambda: rig.hears(" from_hex=" + names[0].hex() + " to=")) and rig.count(" to_hex=") == 0, "where they move, too")
    row = ids(rig, "a/Kick.wav")
    os.rename(at("a/Kick.wav"), at("a/kick.wav"))
    check(rig.done("a/kick.wav") and ids(rig, "a/kick.wav") == row and rig.status("a/Kick.wav") is None,
          "a rename of case only is a rename")
    rig.command("tag", at("a/kick.wav"), "mine")
    os.rename(at("a"), at("A"))
    check(rig.done("A/kick.wav") and ids(rig, "A/kick.wav") == row and rig.status("a/kick.wav") is None, "of a folder too")
    check(rig.command("find", "--tag", "mine", "--paths")[1].strip() == at("A/kick.wav"), "and the tag is still there")
    os.symlink(rig.sounds[5], at("link.wav"))
    check(rig.done("link.wav"), "a link to a file is one")
    os.symlink(at("nowhere"), at("dangling.wav"))
    check(rig.wait(lambda: rig.status("dangling.wav") == "failed") and
          "isn't there" in rig.rows("SELECT status_reason FROM files WHERE name = 'dangling.wav'")[0][0], "one to nothing says so")
    check(rig.stop() == 0, "end")


def stale_links(rig):
    """--stale of a link: to a folder it is the folder, to a file it is the name that the file has, with an engine and without."""
    check, at = rig.check, rig.at
    folder, link = os.path.join(rig.work, "a folder"), os.path.join(rig.work, "a link")
    os.symlink(rig.folder, link)
    os.mkdir(folder)
    shutil.copy(rig.sounds[0], at("one.wav"))
    shutil.copy(rig.sounds[1], os.path.join(folder, "far.wav"))
    os.symlink(os.path.join(folder, "far.wav"), at("link.wav"))

    def told(path):
        with sqlite3.connect(rig.catalogue, timeout=30) as db:
            db.execute("UPDATE files SET profile = 'of another time'")
        db.close()
        return rig.command("analyze", "--stale", path)[1]

    rig.start()
    check(rig.done("one.wav", "link.wav"), "a file, and a link to another one")
    for who in ("by an engine", "alone"):
        for path, count in ((link, 2), (os.path.join(link, "link.wav"), 1), (os.path.join(link, "..", "a link"), 2)):
            text = told(path)
            check(f"{count} of {count} files" in text, f"--stale {os.path.relpath(path, rig.work)}, {who}", text)
        if rig.process.poll() is None:
            check(rig.stop() == 0, "end")


def its_own(rig):
    """A catalogue among the sounds, under a name that doesn't tell."""
    check, at = rig.check, rig.at
    rig.catalogue = at("all my sounds")
    shutil.copy(rig.sounds[0], at("all my sounds.wav"))
    shutil.copy(rig.sounds[1], at("all my sounds-wal.wav"))
    rig.start()
    check(rig.done("all my sounds.wav", "all my sounds-wal.wav"), "sounds beside a catalogue of nearly their name")
    shutil.copy(rig.sounds[2], at("later.wav"))
    check(rig.done("later.wav") and rig.stop() == 0, "and one that comes later")
    shutil.copy(rig.catalogue, at("all my sounds.backup-v1"))
    with sqlite3.connect(rig.catalogue) as db:  # as an earlier version left it
        db.execute("INSERT INTO files (path, path_text, name, status, size, mtime_ns, device, inode, added, seen) SELECT ?, ?, "
                   "'all my sounds.control', 'failed', 0, 0, device, 0, added, seen FROM files LIMIT 1",
                   (os.fsencode(rig.catalogue + ".control"), rig.catalogue + ".control"))
    db.close()
    check(rig.command("analyze", rig.folder)[0] == 0, "a second look from a run of its own")
    rows = rig.rows("SELECT name, status FROM files ORDER BY name")
    check([name for name, status in rows if status == "done"] == sorted(name for name, status in rows if status != "missing") and
          len(rows) == 4 and ("all my sounds.control", "missing") in rows, "what belongs to the catalogue is no sound that failed", rows)


def contents(rig):
    """Copies, retags, changed sounds, downloads, hard links, odd times."""
    check, at = rig.check, rig.at
    shutil.copy(rig.sounds[0], at("one.wav"))
    rig.start()
    check(rig.done("one.wav"), "one file")
    rig.command("tag", at("one.wav"), "mine")
    before = rig.analyses()
    shutil.copy(at("one.wav"), at("two.wav"))
    check(rig.done("two.wav") and rig.analyses() == before, "a copy costs no analysis")
    check(len(rig.command("find", "--tag", "mine", "--paths")[1].split()) == 2, "it is a second path of the same sound")
    row = ids(rig, "one.wav")
    retag(at("one.wav"), at("new.wav"), b"other words   ")
    os.rename(at("new.wav"), at("one.wav"))
    check(rig.wait(lambda: rig.rows("SELECT count(DISTINCT content_id), count(DISTINCT audio_id) FROM files JOIN contents"
                                    " USING (content_id) WHERE name IN ('one.wav', 'two.wav')") == [(2, 1)]),
          "a retag is other bytes of the same sound")
    check(rig.done("one.wav") and rig.analyses() == before and len(rig.command("find", "--tag", "mine", "--paths")[1].split()) == 2,
          "it keeps results and tags")
    check(len(ids(rig, "one.wav")) == 1 and row, "the path is one row")
    audio = rig.rows("SELECT audio_id FROM files JOIN contents USING (content_id) WHERE name = 'two.wav'")[0][0]
    shutil.copy(rig.sounds[1], at("two.wav"))
    check(rig.wait(lambda: rig.analyses() > before) and rig.done("two.wav"), "changed audio is analysed again")
    os.remove(at("one.wav"))
    check(rig.wait(lambda: rig.status("one.wav") == "missing"), "and when nobody has the old sound any more")
    check(rig.rows("SELECT count(*) FROM region_analysis JOIN regions USING (region_id) WHERE audio_id = ?", audio)[0][0] == before,
          "its results are history")
    retag(rig.sounds[0], at("back.wav"), b"third words   ")
    now = rig.analyses()
    check(rig.done("back.wav") and rig.analyses() == now and
          rig.command("find", "--tag", "mine", "--paths")[1].strip() == at("back.wav"), "which is there when the sound comes back")
    with open(rig.sounds[2], "rb") as source, open(at("three.wav.part"), "wb") as download:
        download.write(source.read())
        download.flush()
        os.fsync(download.fileno())
        check(rig.status("three.wav.part") is None, "a download under way is left alone")
    os.rename(at("three.wav.part"), at("three.wav"))
    check(rig.done("three.wav") and not rig.rows("SELECT 1 FROM files WHERE name LIKE '%.part'"), "renamed into place it is taken")
    os.link(rig.sounds[3], at("hard.wav"))
    check(rig.done("hard.wav"), "a hard link appears without a writer")
    for k, when in enumerate((0, 2 ** 33, 4e9 + 0.5)):
        shutil.copy(rig.sounds[4 + k], os.path.join(rig.work, "clock.wav"))
        os.utime(os.path.join(rig.work, "clock.wav"), (when, when))
        os.rename(os.path.join(rig.work, "clock.wav"), at(f"clock {k}.wav"))
    check(rig.done("clock 0.wav", "clock 1.wav", "clock 2.wav"), "times of 1970 and of the far future are times like others")
    now = rig.analyses()
    rig.stop(signal.SIGKILL)
    rig.start()
    rig.command("rescan", rig.folder)
    check(rig.analyses() == now and rig.status("clock 1.wav") == "done", "and make nothing new at the next start")
    check(rig.stop() == 0, "end")


def permissions(rig):
    """What may not be read, is a sentence; what may again, is analysed."""
    check, at = rig.check, rig.at
    if os.geteuid() == 0:  # as somebody whom permissions concern
        subprocess.run(["chown", "-R", "65534:65534", rig.work], check=True)
        os.chmod(rig.work, 0o755)
        start = subprocess.Popen
        rig.as_user = 65534
        real = rig.start

        def popen(*args, **more):
            return start(*args, user=65534, group=65534, extra_groups=[], **more)

        subprocess.Popen = popen
    else:
        start, real = subprocess.Popen, rig.start
    try:
        real()
        secret = os.path.join(rig.work, "secret.wav")
        shutil.copy(rig.sounds[0], secret)
        os.chmod(secret, 0)
        os.rename(secret, at("secret.wav"))
        os.mkdir(at("locked"), 0o755)
        shutil.copy(rig.sounds[1], at("locked/inside.wav"))
        if os.geteuid() == 0:
            os.chown(at("secret.wav"), 65534, 65534)
            os.chown(at("locked"), 65534, 65534)
            os.chmod(at("locked/inside.wav"), 0o644)
        check(rig.wait(lambda: rig.status("secret.wav") == "failed"), "a file that may not be read fails")
        check("permission denied" in rig.rows("SELECT status_reason FROM files WHERE name = 'secret.wav'")[0][0], "with that reason")
        check(rig.done("locked/inside.wav"), "a folder that may be read")
        odd = at(os.fsdecode(b"odd\x1b\xff"))
        os.mkdir(odd, 0)
        rig.command("rescan", rig.folder)
        check(rig.hears("odd\ufffd\ufffd: Permission denied"), "what warns of a name shows it as text")
        os.rmdir(odd)
        os.chmod(at("locked"), 0)
        code, text = rig.command("rescan", rig.folder)
        check(rig.hears("cannot look into") and rig.status("locked/inside.wav") == "done",
              "one that may not any more: said, and its files are not missing", text)
        os.chmod(at("locked"), 0o755)
        os.chmod(at("secret.wav"), 0o644)
        code, text = rig.command("retry", at("secret.wav"))
        check(code == 0 and rig.status("secret.wav") == "done", "what may be read again is analysed", text)
        check(rig.stop() == 0, "end")
    finally:
        subprocess.Popen = start


def roots(rig):
    """The watched folder is removed, made anew, or becomes a file; hidden files; pictures."""
    check, at = rig.check, rig.at
    shutil.copy(rig.sounds[0], at("one.wav"))
    rig.start()
    check(rig.done("one.wav"), "a watched folder")
    shutil.rmtree(rig.folder)
    check(rig.wait(lambda: rig.heard("event=away")) and rig.wait(lambda: rig.status("one.wav") == "missing"),
          "removed with what is in it: missing, and waited for")
    os.mkdir(rig.folder)
    check(rig.wait(lambda: rig.heard("event=back")), "made anew")
    before = rig.analyses()
    shutil.copy(rig.sounds[0], at("one.wav"))
    check(rig.done("one.wav") and rig.analyses() == before, "what comes back is what it was")
    os.rename(rig.folder, rig.folder + "-aside")
    check(rig.wait(lambda: rig.count("event=away") == 2), "gone again")
    with open(rig.folder, "w", encoding="ascii"):
        pass
    code, text = rig.command("rescan", rig.folder)
    check(rig.process.poll() is None and rig.status("one.wav") is not None, "a file in its place does no harm", text)
    os.remove(rig.folder)
    os.rename(rig.folder + "-aside", rig.folder)
    check(rig.wait(lambda: rig.count("event=back") == 2) and rig.done("one.wav"), "and back")
    check(rig.stop() == 0, "end")
    os.mkdir(at(".hidden"))
    shutil.copy(rig.sounds[1], at(".hidden/early.wav"))
    rig.start("--hidden")
    shutil.copy(rig.sounds[2], at(".late.wav"))
    with open(at("cover.jpg"), "wb") as cover:
        cover.write(b"\xff\xd8\xff\xe0 a picture")
    check(rig.done(".hidden/early.wav", ".late.wav"), "--hidden: also what a sweep finds")
    check(rig.status("cover.jpg") is None, "pictures are left alone")
    check(rig.stop() == 0, "end of that")


def places(rig):
    """Catalogues that can't be written to."""
    check = rig.check
    shutil.copy(rig.sounds[0], rig.at("one.wav"))
    rig.command("analyze", rig.folder)
    if os.geteuid() == 0 and subprocess.run(["mount", "--bind", rig.work, rig.work], check=False,
                                            stderr=subprocess.DEVNULL).returncode == 0:
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", rig.work], check=True)
            code, text = rig.command("analyze", rig.folder)
            check(code == 3 and "can't write beside the catalogue" in text, "a read-only disk: analyze says so", text)
            code, text = rig.command("tag", rig.at("one.wav"), "x")
            check(code == 3 and "can't write beside the catalogue" in text, "so does tag", text)
            code, text = rig.command("find", "--paths")
            check(code == 0 and rig.at("one.wav") in text, "find works", text)
        finally:
            subprocess.run(["umount", rig.work], check=True)
    else:
        check(True, "a read-only disk # SKIP mounting is not allowed here")
    pretend(rig, PRETEND_NFS="1")
    code, text = rig.command("analyze", rig.folder)
    check(code == 3 and "network file system (NFS)" in text and "--catalogue" in text, "a catalogue on NFS is refused with a sentence", text)
    del rig.environment["PRETEND_NFS"]
    check(rig.command("analyze", rig.folder)[0] == 0, "and all is well elsewhere")


def pretend(rig, **what):
    """From here on the system tells the engine something else (pretend.c)."""
    library = os.path.join(os.path.dirname(rig.sonde), "..", "..", "tests", "integration", "pretend.so")
    rig.environment.update(LD_PRELOAD=os.path.abspath(library), **what)


def swept(rig):
    """A folder on a file system that tells nothing of what others write: swept, by the same rules."""
    check, at = rig.check, rig.at
    table = os.path.join(rig.work, "mounts")
    with open(table, "w", encoding="utf-8") as file:
        file.write(f"20 1 8:1 / / rw - ext4 /dev/root rw\n21 20 0:50 / {rig.folder} rw - nfs4 server:/sounds rw\n")
    pretend(rig, PRETEND_MOUNTS=table, PRETEND_DEAD=rig.folder)

    def put(source, name):
        shutil.copy(source, at(name))
        os.utime(at(name), (1e9, 1e9))

    put(rig.sounds[0], "one.wav")
    os.makedirs(at("deep/takes"))
    put(rig.sounds[1], "deep/takes/out.wav")
    put(rig.sounds[2], "deep/takes/keep.wav")
    with open(at("deep/.sondeignore"), "w", encoding="ascii") as rules:
        rules.write("out*\n")
    local = os.path.join(rig.work, "local")
    os.mkdir(local)
    rig.start(settings=["watch.sweep_interval=1", "engine.open_deadline=10"], folders=[rig.folder, local])
    check(rig.hears("nfs4 file system") and rig.engine().get("folders_watched") == 1, "it says that it sweeps, and watches nothing there")
    check(rig.done("one.wav", "deep/takes/keep.wav"), "what is there is found")
    check(rig.status("deep/takes/out.wav") is None, "but for what .sondeignore names")
    with open(rig.sounds[3], "rb") as source, open(at("slow.wav"), "wb") as slow:
        data = source.read()
        swept_before, written = rig.count("event=sweep"), 0
        while rig.count("event=sweep") <= swept_before + 2:  # a little all the while
            written += slow.write(data[written:written + 200])
            slow.flush()
            time.sleep(0.2)
        early = rig.status("slow.wav")
        slow.write(data[written:])
    check(early is None and rig.done("slow.wav"), "a copy under way is left alone until it is done", early)
    check(rig.count("has changed while") == 0, "and taken once")
    os.remove(at("deep/.sondeignore"))
    check(rig.done("deep/takes/out.wav"), "without the rule it is found")
    before = rig.analyses()
    os.rename(at("one.wav"), at("moved.wav"))
    check(rig.wait(lambda: rig.status("one.wav") == "missing" and rig.status("moved.wav") == "done") and rig.analyses() == before,
          "a move is a new path of known bytes, and a missing one")
    dead = rig.folder + ".dead"
    shutil.copy(rig.sounds[4], at("late.wav"))
    check(rig.wait(lambda: rig.engine().get("settling", 0) > 0), "a fresh file settles first")
    with open(dead, "wb"):
        shutil.copy(rig.sounds[5], os.path.join(local, "here.wav"))
    here = rig.wait(lambda: rig.rows("SELECT 1 FROM files WHERE name = 'here.wav' AND status = 'done'"))
    late = rig.status("late.wav")
    check(here and late != "done", "a share that stops answering while files on it are settling holds up no other folder", late)
    os.remove(dead)
    # Where the above took so long that its file system was found hanging, it is left alone for a minute.
    check(rig.wait(lambda: rig.status("late.wav") == "done", 120), "they are taken when it answers again")
    with open(dead, "wb"):
        said = rig.count("does not answer")
    waited = rig.wait(lambda: rig.count("does not answer") > said)  # for several looks at whether it is there, too
    check(waited and rig.engine().get("files_done", 0) > 0, "a share that doesn't answer is told, and holds up nobody who asks")
    os.remove(dead)
    check(rig.stop() == 0, "end")


def gone_meanwhile(rig):
    """A file that goes between the reading of its folder and the look at it, as temporary ones do, is no failure."""
    check, at = rig.check, rig.at
    shutil.copy(rig.sounds[0], at("one.wav"))
    shutil.copy(rig.sounds[1], at("gone.wav"))
    pretend(rig, PRETEND_GONE=at("gone.wav"))
    code, text = rig.command("analyze", rig.folder)
    check(code == 0 and "0 failed" in text and rig.status("one.wav") == "done" and rig.status("gone.wav") is None,
          "a file that goes while its folder is read is left out", (code, text))


def sick(rig):
    """A new file that can't even be looked at, on a disk with errors: it failed, and the catalogue knows."""
    check, at = rig.check, rig.at
    shutil.copy(rig.sounds[0], at("one.wav"))
    shutil.copy(rig.sounds[1], at("sick.wav"))
    os.mkdir(at("folder"))
    for name in "sick.wav", "folder":
        pretend(rig, PRETEND_SICK=at(name))
        code, text = rig.command("analyze", rig.folder)
        check(code == 1 and "1 failed" in text and at(name) in text, f"{name}: an error of the disk is told", (code, text))
        problems = rig.command("status", "--problems")[1]
        check((at(name) in problems) == (name == "sick.wav"), "a file has a row that says so, what isn't known to be one has none", problems)
    check(rig.rows("SELECT name, status FROM files ORDER BY name") == [("one.wav", "done"), ("sick.wav", "done")],
          "the next look tries again", rig.rows("SELECT name, status, status_reason FROM files"))
    pretend(rig, PRETEND_SICK=at("new.wav"))
    check(rig.command("analyze", at("folder/none.wav"))[0] == 1 and rig.status("folder/none.wav") is None, "one that isn't there has no row")
    rig.start()
    shutil.copy(rig.sounds[2], at("new.wav"))
    check(rig.wait(lambda: rig.status("new.wav") == "failed") and rig.hears("cannot be opened: Input/output error"),
          "one that comes into a watched folder isn't lost either", rig.status("new.wav"))
    del rig.environment["PRETEND_SICK"]
    check(rig.stop() == 0 and rig.start() and rig.done("new.wav") and rig.stop() == 0, "nor when its disk is well again")


def signalled(rig):
    """A signal that comes in the moment between two stretches of watching doesn't end it by its default action."""
    check, at = rig.check, rig.at
    flag = os.path.join(rig.work, "signal")
    open(flag, "wb").close()
    pretend(rig, PRETEND_SIGNAL=flag)
    rig.start()
    for number in range(2):
        rig.process.send_signal(signal.SIGHUP)
        check(rig.wait(lambda: rig.count("event=watching") == number + 2 or rig.process.poll() is not None) and rig.process.poll() is None,
              "it goes on after a reload", rig.process.poll())
    os.remove(flag)
    shutil.copy(rig.sounds[0], at("one.wav"))
    check(rig.done("one.wav") and rig.stop() == 0, "and still hears of SIGTERM")


def unwatched(rig):
    """As many programs watch folders as may: what can't be watched is swept."""
    check, at = rig.check, rig.at
    pretend(rig, PRETEND_NO_INOTIFY="1")
    shutil.copy(rig.sounds[0], at("one.wav"))
    rig.start(settings=["watch.sweep_interval=1"])
    check(rig.hears("max_user_instances") and rig.engine().get("folders_swept") == 1, "it says that it sweeps, and why")
    check(rig.done("one.wav"), "what is there is found")
    os.mkdir(at("later"))
    shutil.copy(rig.sounds[1], at("later/two.wav"))
    check(rig.done("later/two.wav"), "and what comes")
    os.rename(rig.folder, rig.folder + "-aside")
    check(rig.hears("event=away"), "a root that goes away is noticed")
    os.rename(rig.folder + "-aside", rig.folder)
    check(rig.hears("event=back") and rig.status("one.wav") == "done", "and that it is back")
    check(rig.stop() == 0, "end")


def outage(rig):
    """A share that stops answering between the look that finds files and their opening: they wait, and none has failed."""
    check, at = rig.check, rig.at
    table, dead = os.path.join(rig.work, "mounts"), rig.folder + ".dead"
    with open(table, "w", encoding="utf-8") as file:
        file.write(f"20 1 8:1 / / rw - ext4 /dev/root rw\n21 20 0:50 / {rig.folder} rw - nfs4 server:/sounds rw\n")
    pretend(rig, PRETEND_MOUNTS=table, PRETEND_DEAD=rig.folder)
    local = os.path.join(rig.work, "local")
    os.mkdir(local)
    settings = ["engine.open_deadline=1", "watch.sweep_interval=3600"]
    sounds = [f"{k}.wav" for k in range(8)]
    for k, name in enumerate(sounds):
        shutil.copy(rig.sounds[k], at(name))
        os.utime(at(name), (1e9, 1e9))
    rig.start(settings=settings, folders=[local])
    rig.command("pause")
    check(rig.stop() == 0 and rig.start(settings=settings, folders=[rig.folder, local]), "an engine that begins paused")
    check(rig.wait(lambda: rig.rows("SELECT count(*) FROM queue") == [(8,)]), "finds what is on the share")
    with open(dead, "wb"):
        shutil.copy(rig.sounds[9], os.path.join(local, "here.wav"))
    rig.command("resume")
    check(rig.wait(lambda: rig.rows("SELECT count(*) FROM queue WHERE state = 'waiting' AND attempts > 0") == [(8,)]),
          "when the share has gone silent, they are put back", rig.rows("SELECT * FROM queue"))
    check(rig.wait(lambda: rig.rows("SELECT 1 FROM files WHERE name = 'here.wav' AND status = 'done'")), "others are analysed meanwhile")
    check(rig.heard("doesn't answer: it waits") and not rig.heard("stopped answering"), "one that didn't answer is told of, not each of them")
    check({rig.status(name) for name in sounds} == {"queued"}, "none of them has failed", rig.rows("SELECT name, status, status_reason FROM files"))
    check(rig.stop() == 0, "end")
    os.remove(dead)
    rig.start(settings=settings, folders=[rig.folder, local])
    check(rig.done(*sounds) and rig.stop() == 0, "with the share back, all are analysed")


def hang(rig):
    """From here on a plugin hangs on every file, for as long as the deadline lets it."""
    plugins = os.path.join(rig.work, "plugins")
    os.mkdir(plugins)
    shutil.copy(os.path.join(os.path.dirname(rig.sonde), "..", "..", "tests", "hostile", "sleep_forever.so"), plugins)
    rig.environment["SONDE_PLUGIN_PATH"] = plugins


def vanishing(rig):
    """Files that are deleted, or replaced by a known one, while a plugin hangs on them."""
    check, at = rig.check, rig.at
    hang(rig)
    settings = ["engine.analyse_deadline=3"]

    def begin(number):
        """Under analysis, when it is known what is in it."""
        name = f"{number}.wav"
        shutil.copy(rig.sounds[number], at(name))
        os.utime(at(name), (1e9, 1e9))
        return name if rig.wait(lambda: rig.rows("SELECT 1 FROM files WHERE name = ? AND status = 'working' AND content_id", name)) else None

    def ends():
        return rig.count("event=file ")

    rig.start("--allow-weak-sandbox", settings=settings)
    first = begin(0)
    check(first and rig.wait(lambda: ends() == 1) and rig.status(first) == "done" and rig.heard("event=incident"), "a plugin hangs, and is ended")
    second = begin(1)
    os.remove(at(second))
    check(rig.wait(lambda: rig.status(second) == "missing"), "a file is deleted while it is analysed")
    check(rig.wait(lambda: ends() == 2) and rig.status(second) == "missing", "it stays missing when the analysis has ended")
    before = rig.analyses()
    shutil.copy(rig.sounds[1], at(second))
    os.utime(at(second), (1e9, 1e9))
    check(rig.done(second) and rig.analyses() == before, "and what was found out is there when it is back")
    third = begin(2)
    os.rename(at(first), at(third))
    check(rig.wait(lambda: rig.rows("SELECT 1 FROM incidents WHERE file_id IS NULL AND plugin IS NOT NULL")) and rig.process.poll() is None,
          "a known file moved over one that is analysed ends nothing")
    check(rig.done(third) and rig.status(first) is None, "and is at its new path")
    fourth = begin(3)
    os.remove(at(fourth))
    check(rig.wait(lambda: rig.status(fourth) == "missing") and rig.stop(signal.SIGINT) == 0 and rig.status(fourth) == "missing",
          "one that is deleted before the engine is stopped stays missing", rig.status(fourth))
    check(not rig.rows("SELECT 1 FROM files WHERE status IN ('queued', 'working') AND file_id NOT IN (SELECT file_id FROM queue)"),
          "nothing is queued without an entry of the queue")
    shutil.copy(rig.sounds[4], at("4.wav"))
    with subprocess.Popen([rig.sonde, "--catalogue", rig.catalogue, "--set", settings[0], "analyze", "--allow-weak-sandbox", at("4.wav")],
                          env=rig.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        check(rig.wait(lambda: rig.rows("SELECT 1 FROM files WHERE name = '4.wav' AND status = 'working' AND content_id")), "a run of its own")
        os.remove(at("4.wav"))
    check(rig.status("4.wav") == "missing", "notices it at the end of the analysis", rig.status("4.wav"))


def full(rig):
    """No room for the catalogue while files are under way: whoever stops the engine isn't kept waiting, and nothing is lost."""
    check, at = rig.check, rig.at
    flag = os.path.join(rig.work, "full")
    pretend(rig, PRETEND_FULL=flag)
    hang(rig)  # so that files are under way for seconds
    for k in range(6):
        shutil.copy(rig.sounds[k], at(f"{k}.wav"))
        os.utime(at(f"{k}.wav"), (1e9, 1e9))

    def count(status):
        return rig.rows("SELECT count(*) FROM files WHERE status = ?", status)[0][0]

    for number, settings in (signal.SIGTERM, ["engine.drain=1"]), (signal.SIGINT, []):
        done = count("done") if os.path.exists(rig.catalogue) else 0
        said = rig.count("no space left for the catalogue")
        rig.start("--allow-weak-sandbox", settings=settings + ["engine.analyse_deadline=2"])
        check(rig.wait(lambda: count("done") > done and count("working") > 0), "files are under way")
        with open(flag, "wb"):
            check(rig.wait(lambda: rig.count("no space left for the catalogue") > said), "there is no room any more: it is said")
        begun = time.monotonic()
        rig.process.send_signal(number)
        try:
            code = rig.process.wait(timeout=45)
        except subprocess.TimeoutExpired:
            code = "none"
        check(code == 0, f"it ends all the same, after {time.monotonic() - begun:.0f} s", code)
        os.remove(flag)
        if code == "none":
            rig.process.kill()
            rig.process.wait()
    del rig.environment["SONDE_PLUGIN_PATH"]
    rig.start()
    check(rig.wait(lambda: count("done") == 6, 180) and rig.stop() == 0, "with room again, the next engine does the rest",
          rig.rows("SELECT name, status, status_reason FROM files WHERE status <> 'done'"))
    check(rig.command("catalogue", "check")[0] == 0, "the catalogue is as it should be")


if __name__ == "__main__":
    TESTS = (names, stale_links, its_own, contents, permissions, roots, places, swept, gone_meanwhile, sick, signalled, unwatched, outage, vanishing, full)
    main(__doc__, {test.__name__: test for test in TESTS})
