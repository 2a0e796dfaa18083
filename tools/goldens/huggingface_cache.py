#!/usr/bin/env python3
"""Makes tests/data/huggingface/layout.json: what huggingface_hub leaves in its cache for a small repository.

Needs the package huggingface_hub (2.4.0 made the stored file); it talks to a server inside this script.

  huggingface_cache.py layout           prints the layout
  huggingface_cache.py check OAG        pulls with OAG, then lets huggingface_hub read the cache without a network,
                                        and the other way round
  huggingface_cache.py serve            serves the repository until interrupted, for trials by hand
"""
import hashlib, http.server, json, os, pathlib, subprocess, sys, tempfile, threading, urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REPOSITORY = json.loads((ROOT / "tests/data/huggingface/repository.json").read_text())
COMMIT, NAME = REPOSITORY["commit"], REPOSITORY["name"]
FILES = {f["path"]: (f["text"].encode(), f["lfs"]) for f in REPOSITORY["files"]}


def blob_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def entry(path):
    data, lfs = FILES[path]
    out = {"type": "file", "oid": blob_id(data), "size": len(data), "path": path}
    if lfs:
        out["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return out


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.unquote(self.path.split("?")[0])
        if path.startswith(f"/api/models/{NAME}/revision/") or path == f"/api/models/{NAME}":
            siblings = [{"rfilename": p} for p in FILES]
            body = {"id": NAME, "sha": COMMIT, "siblings": siblings, "private": False, "tags": [], "downloads": 0, "likes": 0}
            return self.answer(200, json.dumps(body).encode(), Content_Type="application/json")
        if path.startswith(f"/api/models/{NAME}/tree/"):
            return self.answer(200, json.dumps([entry(p) for p in FILES]).encode(), Content_Type="application/json")
        prefix = f"/{NAME}/resolve/"
        if path.startswith(prefix):
            for name, (data, lfs) in FILES.items():
                if path.endswith(name) and path[len(prefix):-len(name) - 1] in (COMMIT, "main", "refs/pr/1"):
                    etag = hashlib.sha256(data).hexdigest() if lfs else blob_id(data)
                    extra = {"X_Linked_Etag": f'"{etag}"', "X_Linked_Size": str(len(data))} if lfs else {}
                    return self.answer(200, data, ETag=f'"{etag}"', X_Repo_Commit=COMMIT, **extra)
        self.answer(404, b"{}", X_Error_Code="EntryNotFound")

    do_HEAD = do_GET


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def layout(folder):
    files, links = {}, {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            links[name] = os.readlink(path)
        elif path.is_file() and not name.startswith(".locks") and path.name != "CACHEDIR.TAG":
            files[name] = path.read_text()
    return {"made_by": "huggingface_hub " + __import__("huggingface_hub").__version__, "files": files, "links": links}


def snapshot(cache, **options):
    from huggingface_hub import snapshot_download
    for revision in ("main", "refs/pr/1"):
        path = snapshot_download(NAME, revision=revision, cache_dir=cache, **options)
    return pathlib.Path(path)


def check(oag, endpoint):
    def run(*arguments, **more):
        environment = dict(os.environ, HF_ENDPOINT=endpoint, HF_HUB_CACHE=str(cache), OAG_MODELS=str(cache / "oag"), **more)
        done = subprocess.run([oag, *arguments], env=environment, capture_output=True, text=True)
        print("$ oag", *arguments, "->", done.returncode, (done.stderr + done.stdout).strip().replace("\n", " | "))
        return done

    with tempfile.TemporaryDirectory() as temporary:
        cache = pathlib.Path(temporary) / "ours"
        for revision in ("", "@refs/pr/1"):
            assert run("pull", f"hf:{NAME}{revision}").returncode == 0
        from huggingface_hub import scan_cache_dir, try_to_load_from_cache
        read = snapshot(cache, local_files_only=True)
        assert all((read / p).read_bytes() == data for p, (data, _) in FILES.items() if (read / p).exists())
        assert isinstance(try_to_load_from_cache(NAME, "config.json", cache_dir=cache), str)
        scan = scan_cache_dir(cache)
        assert len(scan.repos) == 1 and not [w for w in scan.warnings if "models--" in str(w)], scan
        print("huggingface_hub reads ours:", read)
        cache = pathlib.Path(temporary) / "theirs"
        snapshot(cache)
        done = run("pull", f"hf:{NAME}")
        assert "all were here" in done.stderr, done.stderr
        assert run("pull", f"hf:{NAME}", HF_HUB_OFFLINE="1").returncode == 0
        run("models")


if __name__ == "__main__":
    address = serve()
    os.environ.update(HF_ENDPOINT=address, HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_XET="1")
    if sys.argv[1:] == ["layout"]:
        with tempfile.TemporaryDirectory() as temporary:
            snapshot(temporary)
            print(json.dumps(layout(pathlib.Path(temporary)), indent=1))
    elif len(sys.argv) == 3 and sys.argv[1] == "check":
        check(sys.argv[2], address)
    elif sys.argv[1:] == ["serve"]:
        print(address, flush=True)
        threading.Event().wait()
    else:
        sys.exit(__doc__)
