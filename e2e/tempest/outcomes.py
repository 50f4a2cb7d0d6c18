"""Reads subunit (version 2) from standard input; writes a JSON object a line: the id of a test, its outcome, why it was skipped or failed."""
import json
import sys

import subunit
import testtools

OUTCOMES = {'success': 'passed', 'fail': 'failed', 'skip': 'skipped', 'inprogress': 'failed'}


def ended(test):
    if test['status'] not in OUTCOMES:
        return
    texts = {name: detail.as_text().strip() for name, detail in test['details'].items()
             if name == 'reason' or name.startswith('traceback')}
    print(json.dumps({'id': test['id'], 'outcome': OUTCOMES[test['status']], 'why': '\n'.join(texts.values())}))


results = testtools.StreamToDict(ended)
results.startTestRun()
subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name='stdout').run(results)
results.stopTestRun()
