"""`python -m deploy.monitoring`: write the files of this folder and docs/monitoring.md from the code."""

from deploy.monitoring.files import FOLDER, written

for name, text in written().items():
    (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(text)
