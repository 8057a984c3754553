"""Signs each request of the contract run for its own URL, and counts what each operation answered.

HUBGATE_ENDPOINT and HUBGATE_KEY say where and with what; the counts are written to HUBGATE_ANSWERS at the end.
"""

import atexit
import collections
import json
import os
import sys
from pathlib import Path

import schemathesis

sys.path.insert(0, str(Path(__file__).parent.parent / 'python'))
from rest import token  # noqa: E402

ENDPOINT = os.environ['HUBGATE_ENDPOINT']
KEY = os.environ['HUBGATE_KEY']
answers: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
signed: set[str] = set()
refused: list[str] = []


@schemathesis.auth(refresh_interval=None)
class PerRequest:
    """The audience of a token is the URL of the one request that it is for."""

    def get(self, case, context):
        value = token(KEY, ENDPOINT + case.formatted_path)
        signed.add(f'Bearer {value}')
        return value

    def set(self, case, data, context):
        case.headers['Authorization'] = f'Bearer {data}'


@schemathesis.hook
def after_call(context, case, response):
    operation = case.operation
    label = operation.definition.raw['operationId'] if case.method == operation.method.upper() else 'other methods'
    answers[label][str(response.status_code)] += 1
    if response.status_code == 401 and response.request.headers.get('Authorization') in signed:
        refused.append(f'{case.method} {response.request.url}')


@atexit.register
def write_answers():
    Path(os.environ['HUBGATE_ANSWERS']).write_text(json.dumps({'answers': answers, 'refused': refused}))
