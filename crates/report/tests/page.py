"""Reads a page on stdin: every element is closed in its order, and nothing in it runs or is fetched."""
import html.parser
import sys

VOID = {"meta", "br"}
INERT = {"html", "head", "meta", "title", "style", "body", "main", "header", "footer", "div", "span", "p", "h1", "h2",
         "b", "br", "code", "ul", "li", "details", "summary", "table", "thead", "tbody", "tr", "th", "td",
         "svg", "defs", "pattern", "g", "rect", "circle", "path", "text"}
PLAIN = {"lang", "charset", "name", "content", "http-equiv", "class", "role", "aria-label", "aria-hidden", "title", "open",
         "colspan", "id", "viewbox", "width", "height", "x", "y", "cx", "cy", "r", "rx", "d", "fill", "text-anchor",
         "patternunits", "patterntransform"}


class Page(html.parser.HTMLParser):
    stack = []

    def handle_starttag(self, tag, attributes):
        assert tag in INERT, tag
        names = {name for name, _ in attributes}
        assert names <= PLAIN, names - PLAIN
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, (self.getpos(), tag)


page = Page()
page.feed(sys.stdin.read())
page.close()
assert not page.stack, page.stack
