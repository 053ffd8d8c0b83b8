"""reviews: v1 has no stars, v2 asks ratings."""

from service import INSTANCE, VERSION, context_of, get_json, serve

REVIEWS = [
    {"book": 1, "reader": "Dorothea", "text": "Every person in town is somebody by the end of it."},
    {"book": 2, "reader": "Victor", "text": "I should have stayed for the first conversation."},
    {"book": 3, "reader": "Emerson", "text": "A great deal about beans, and worth every row."},
    {"book": 4, "reader": "Mina", "text": "Keep your shorthand tidy: it saves the day."},
    {"book": 5, "reader": "Alice", "text": "Curious, but I have been to better gardens."},
    {"book": 6, "reader": "Filby", "text": "I was at that dinner and still argue about it."},
]


def answer(path, headers):
    if path != "/reviews":
        return 404, {"error": f"no such page: {path}"}
    body = {"version": VERSION, "instance": INSTANCE, "reviews": REVIEWS}
    if VERSION == "v1":
        return 200, body
    rated = get_json("http://ratings:9080/ratings", context_of(headers))
    stars = rated["ratings"]
    body["reviews"] = [{**review, "stars": stars.get(str(review["book"]), 0)} for review in REVIEWS]
    body["ratings_by"] = rated["language"]
    return 200, body


serve("reviews", answer)
