"""A shop: GET / lists the orders, POST / adds one (its body is the article), GET /health asks all services."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg2
import redis

PORT = 8000
SCHEMA = "CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, article text NOT NULL)"


def database():
    password = Path("/run/secrets/db_password").read_text(encoding="utf-8")
    return closing(psycopg2.connect(host=os.environ["DB_HOST"], user="shop", dbname="postgres", password=password))


def cache():
    return redis.Redis(host=os.environ["CACHE_HOST"], decode_responses=True)


def orders():
    with database() as connection, connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        cursor.execute("SELECT id, article FROM orders ORDER BY id")
        return [{"id": number, "article": article} for number, article in cursor.fetchall()]


def order(article):
    with database() as connection, connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        cursor.execute("INSERT INTO orders (article) VALUES (%s) RETURNING id", (article,))
        return {"id": cursor.fetchone()[0], "article": article}


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            self.answer({"orders": len(orders()), "cache": cache().ping()})
        elif self.path == "/":
            self.answer({"visits": cache().incr("visits"), "orders": orders()})
        else:
            self.answer({"error": "no such page"}, status=404)

    def do_POST(self):
        article = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if article:
            self.answer(order(article), status=201)
        else:
            self.answer({"error": "say what is ordered"}, status=400)

    def answer(self, value, *, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    if sys.argv[1:] == ["--probe"]:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=2)
        return
    ThreadingHTTPServer(("", PORT), Shop).serve_forever()


if __name__ == "__main__":
    main()
