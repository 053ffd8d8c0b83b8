"""storefront: the page, composed from catalog and reviews."""

from html import escape

from service import VERSION, context_of, get_json, serve


def page(context):
    catalog = get_json("http://catalog:9080/books", context)
    reviews = get_json("http://reviews:9080/reviews", context)
    said = {review["book"]: review for review in reviews["reviews"]}
    rows = "".join(row(book, said.get(book["id"])) for book in catalog["books"])
    return (
        "<!doctype html><meta charset=utf-8><title>The Polyglot Bookstore</title>"
        "<style>body{max-width:48rem;margin:2rem auto;font:1rem/1.5 Georgia,serif}"
        "td{padding:.4rem 1rem .4rem 0;vertical-align:top}.red{color:#c62828}</style>"
        f"<h1>The Polyglot Bookstore</h1><table>{rows}</table>"
        f"<p><small>storefront {escape(VERSION)} (Python), catalog {escape(catalog['version'])} (TypeScript), "
        f"reviews {escape(reviews['version'])} (Python), {ratings_by(reviews)}</small></p>"
    )


def ratings_by(reviews):
    by = reviews.get("ratings_by")
    return "no ratings" if by is None else f"ratings by {escape(by)}"


def row(book, review):
    text, stars = "", ""
    if review is not None:
        text = escape(review["text"])
        stars = "★" * review.get("stars", 0)
    return f"<tr><td>{escape(book['title'])}<td>{escape(book['author'])}<td>{text} {stars}</tr>"


def answer(path, headers):
    context = context_of(headers)
    if path == "/":
        return 200, page(context)
    if path == "/api/reviews":
        return 200, get_json("http://reviews:9080/reviews", context)
    return 404, {"error": f"no such page: {path}"}


serve("storefront", answer)
