"""ratings in Python: stands in for the one in Go where Go is not installed."""

from service import INSTANCE, VERSION, serve

STARS = {"1": 5, "2": 4, "3": 3, "4": 4, "5": 2, "6": 5}


def answer(path, _headers):
    if path != "/ratings":
        return 404, {"error": f"no such page: {path}"}
    return 200, {"version": VERSION, "instance": INSTANCE, "language": "Python", "ratings": STARS}


serve("ratings", answer)
