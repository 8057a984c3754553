"""The check of one header, which is a file that may be copied."""

import base64
import hashlib
import hmac
import json
import pathlib
import time
import unittest

from hubgate.signature import Event, Refused, verify

# The table that the helpers of all languages are tested with.
TABLE = pathlib.Path(__file__).parents[3] / "webhook/signature/testdata/vectors.json"


class Signature(unittest.TestCase):
    def test_table(self):
        vectors = json.loads(TABLE.read_text())
        self.assertGreater(len(vectors), 30)
        for v in vectors:
            with self.subTest(v["name"]):
                try:
                    body = base64.b64decode(v["bodyBase64"])
                    event = verify(v["header"], v["keys"], v["method"], v["target"], body, v["toleranceSeconds"], v["now"])
                    got = ("ok", event.id)
                except Refused as refused:
                    got = (str(refused), "")
                self.assertEqual(got, (v["expect"], v.get("id", "")))

    def test_now(self):
        sent = int(time.time())
        text = f"v1\n{sent}\ne\nPOST\n/hook\nbody".encode()
        header = f"t={sent},id=e,v1={hmac.new(b'key', text, hashlib.sha256).hexdigest()}"
        self.assertEqual(verify(header, ["", "key"], "POST", "/hook", b"body"), Event("e", sent))
        self.assertEqual(verify(header, [b"key"], "POST", "/hook", b"body"), Event("e", sent))
        with self.assertRaisesRegex(Refused, "^mismatch$"):
            verify(header, [""], "POST", "/hook", b"body")


if __name__ == "__main__":
    unittest.main()
