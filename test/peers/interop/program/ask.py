"""`ask.py requests|httpx-1.1|httpx-2 ROOT`: reads requests as JSON from standard input, prints answers."""
import hashlib
import json
import sys


def bodies(question):
    """As the other clients: a file, whole."""
    if not question.get("body"):
        return None
    with open(question["body"], "rb") as file:
        return file.read()


def ask_requests(root, questions):
    import requests

    with requests.Session() as session:
        # The environment's certificates and proxies are none of this.
        session.trust_env = False
        session.verify = root
        for one in questions:
            response = session.request(one["method"], one["url"], data=bodies(one))
            yield response.status_code, response.content


def ask_httpx(root, questions, version):
    import ssl

    import httpx

    context = ssl.create_default_context(cafile=root)
    with httpx.Client(verify=context, http1=version == "1.1", http2=version == "2", trust_env=False) as client:
        for one in questions:
            response = client.request(one["method"], one["url"], content=bodies(one))
            yield response.status_code, response.content


def main():
    kind, root = sys.argv[1:]
    questions = json.load(sys.stdin)
    if kind == "requests":
        answers = ask_requests(root, questions)
    else:
        answers = ask_httpx(root, questions, kind.removeprefix("httpx-"))
    found = [{"status": status, "sha256": hashlib.sha256(body).hexdigest()} for status, body in answers]
    json.dump(found, sys.stdout)


main()
