def run(inputs, folder):
    return {}


def page(shows):
    return ""
