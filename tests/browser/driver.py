"""A browser in a process of its own, because playwright runs an event loop and gevent patches it.

Reads a list per line from stdin: the name of a method of the page and its arguments. Answers each
by a line of JSON. "errors" are the messages that the page has put on its console.
"""

import json
import sys

from playwright.sync_api import sync_playwright


def main(executable: str) -> None:
    """Obey until stdin ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        for line in sys.stdin:
            name, arguments, options = json.loads(line)
            try:
                result = errors if name == "errors" else getattr(page, name)(*arguments, **options)
                answer = {"result": result if isinstance(result, (str, int, float, list)) else None}
            except Exception as exc:  # noqa: BLE001  # the test raises it
                answer = {"error": str(exc)}
            print(json.dumps(answer), flush=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
