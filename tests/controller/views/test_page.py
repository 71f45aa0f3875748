"""What users wrote is text in the page of a report, never markup or a script."""

import json

from controller.views.report.page import script_json, text


def test_json_within_a_script_cannot_end_it() -> None:
    tree = {"a</script>": ["<!--", "\u2028", "&"]}
    assert "<" not in script_json(tree)
    assert json.loads(script_json(tree)) == tree


def test_text_is_escaped_within_attributes() -> None:
    assert text("\"'<&>\n") == "&quot;&#x27;&lt;&amp;&gt;\\n"
