"""`python -m deploy.monitoring` generates the files of this folder and docs/monitoring.md."""

from deploy.monitoring.files import FOLDER, generated_files

for name, text in generated_files().items():
    (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(text)
