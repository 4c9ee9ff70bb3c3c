# A service that is not Node takes part over REST: it holds the lock of order 42, for which instances of lock.js stand in line.
import json, os, signal, ssl, threading, time, urllib.error, urllib.request, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ENV, TTL_MS = os.environ, 5_000
NAME = urllib.request.quote(ENV.get("LOCK_NAME", "order:42"), safe="")
IDENTITY = f"{ENV.get('DROVER_NODE', 'local')}/{ENV.get('DROVER_INSTANCE_ID', os.getpid())}"
HOLDER = str(uuid.uuid4())  # Ours alone, and the same in each try: asking again after a lost answer does no harm.
TLS = ssl.create_default_context(cafile=ENV["DROVER_CA"])
state = {"identity": IDENTITY, "lock": NAME, "token": None, "problem": None}
stopping = threading.Event()


def ask(verb, body):
    problem = "UNREACHABLE"
    for url in ENV["DROVER_URL"].split(","):  # Any controller will do; one may be away.
        headers = {"content-type": "application/json", "authorization": f"Bearer {ENV['DROVER_TOKEN']}"}
        data = json.dumps({"holder": HOLDER, **body}).encode()
        request = urllib.request.Request(f"{url}/v1/locks/{NAME}/{verb}", data, headers)
        try:
            with urllib.request.urlopen(request, context=TLS, timeout=15) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            problem = json.loads(error.read())["code"]
            if error.code < 500:
                break
        except OSError:
            pass
    raise RuntimeError(problem)


def hold():
    until = 0.0
    while not stopping.is_set():
        sent = time.monotonic()  # The time of the lock counts from the question, by a clock that nobody sets.
        more = {"ttlMs": TTL_MS, "identity": IDENTITY, "waitMs": 2_000} if state["token"] is None else {"ttlMs": TTL_MS}
        try:
            grant = ask("acquire" if state["token"] is None else "renew", more)
            until = sent + TTL_MS / 1000 * 0.9
            state.update(token=grant["token"], problem=None)
        except RuntimeError as error:
            lost = str(error) == "LEASE_LOST" or time.monotonic() >= until
            state.update(token=None if lost else state["token"], problem=str(error))
        stopping.wait(TTL_MS / 3000 if state["token"] else 0.2)
    ask("release", {})


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(state).encode() + b"\n")


holding = threading.Thread(target=hold)
server = ThreadingHTTPServer((ENV.get("HOST", "127.0.0.1"), int(ENV.get("PORT", "3000"))), Page)
signal.signal(signal.SIGINT, lambda *_: (stopping.set(), threading.Thread(target=server.shutdown).start()))
holding.start()
server.serve_forever()
holding.join()
