"""What Schemathesis is told beside the description, when `schema.rs` runs it: who asks, requests that are known to be
good, and ids of things that exist in place of made up ones. It notes which statuses each operation answered.

Left out on purpose: what is right and what is wrong. Schemathesis says that, by the description.
"""

import atexit
import base64
import hmac
import json
import os
import threading
import time
import urllib.request
import uuid
import zlib

import schemathesis

with open(os.environ["NATTER_SCHEMA_SCENE"], encoding="utf-8") as file:
    SCENE = json.load(file)

ID_LENGTH = len("00000000-0000-0000-0000-000000000000")
SEEN = {}
LOCK = threading.Lock()


def signed_in(name):
    """A session of its own, for what ends sessions."""
    body = json.dumps({"login": name, "password": SCENE["password"]}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(SCENE["base_url"] + "/api/v1/auth/login", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["tokens"]["access_token"]


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        if not context.operation.definition.raw.get("security"):
            return None
        good = SCENE["good"][context.operation.label]
        return signed_in(good["leaver"]) if good["leaver"] else good["token"]

    def set(self, case, token, context):
        if token is not None:
            case.headers["Authorization"] = "Bearer " + token


def code(secret):
    """What an app shows now (RFC 6238)."""
    mac = hmac.digest(base64.b32decode(secret), (int(time.time()) // 30).to_bytes(8, "big"), "sha1")
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at : at + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


@schemathesis.hook
def before_add_examples(context, examples):
    operation = context.operation
    good = SCENE["good"].get(operation.label)
    if good is None:
        return
    given = {"path_parameters": good["path"], "query": good["query"], "headers": {}}
    body = good["body"]
    if body is not None:
        if isinstance(body.get("code"), dict):
            body = {**body, "code": code(body["code"]["secret"])}
        given.update(body=body, media_type="application/json")
    token = Bearer().get(None, context)
    if token is not None:
        given["headers"]["Authorization"] = "Bearer " + token
    examples.append(operation.Case(**given))
    # And the same of what there is not.
    nowhere = {name: str(uuid.uuid4()) if is_id(value) else value for name, value in good["path"].items()}
    if nowhere != good["path"]:
        examples.append(operation.Case(**{**given, "path_parameters": nowhere}))


def is_id(thing):
    return isinstance(thing, str) and len(thing) == ID_LENGTH and thing.count("-") == 4


def exists(thing, instead):
    """Three of four ids become one of a thing that exists. By the id itself: the same case is made the same again."""
    if not is_id(thing):
        return thing
    choice = zlib.crc32(thing.encode())
    return thing if choice % 4 == 0 else instead[choice // 4 % len(instead)]


@schemathesis.hook
def map_path_parameters(context, path):
    good = SCENE["good"].get(context.operation.label)
    if not path or good is None:
        return path
    # All of a path, or what it names does not belong together.
    found = {name: exists(value, [good["path"][name]]) for name, value in path.items() if name in good["path"]}
    return {**path, **(good["path"] if any(path[name] != value for name, value in found.items()) else {})}


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict):
        return {name: people(name, value) for name, value in body.items()}
    return body


def people(name, value):
    if isinstance(value, list):
        return [people(name, one) for one in value]
    return exists(value, SCENE["people"]) if name in SCENE["fields"] else value


@schemathesis.hook
def after_call(context, case, response):
    with LOCK:
        operation = SEEN.setdefault(case.operation.label, {})
        answers = operation.setdefault(str(response.status_code), [])
        # Enough to see why one never succeeded.
        if len(answers) < 3:
            answers.append(response.text[:300])


@atexit.register
def tell():
    with open(SCENE["seen"], "w", encoding="utf-8") as file:
        json.dump(SEEN, file)
