"""A reader who has only the keyboard."""

import pytest


def press(browser, *keys):
    from selenium.webdriver import ActionChains

    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def focused(browser):
    return browser.switch_to.active_element


def tab_to(browser, wanted, most=160):
    """Press Tab until an element that matches has the focus."""
    from selenium.webdriver import Keys

    for _ in range(most):
        press(browser, Keys.TAB)
        if browser.execute_script("return document.activeElement.matches(arguments[0])", wanted):
            return focused(browser)
    pytest.fail(f"{wanted} was not reached with {most} presses of Tab")
