"""`stream.py requests|httpx-1.1|httpx-2 ROOT URL`: prints the lines of an event stream as they come."""
import ssl
import sys

kind, root, url = sys.argv[1:]
if kind == "requests":
    import requests

    with requests.Session() as session:
        session.trust_env = False
        session.verify = root
        with session.get(url, stream=True) as response:
            for line in response.iter_lines(chunk_size=1):
                print(line.decode(), flush=True)
else:
    import httpx

    version = kind.removeprefix("httpx-")
    context = ssl.create_default_context(cafile=root)
    options = {"http1": version == "1.1", "http2": version == "2", "trust_env": False, "timeout": None}
    with httpx.Client(verify=context, **options) as client, client.stream("GET", url) as response:
        for line in response.iter_lines():
            print(line, flush=True)
