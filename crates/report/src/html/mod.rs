//! The report as one HTML page that needs nothing else: no script, no file, no network.
//!
//! It works under the strictest policy that allows a style (`default-src 'none'; style-src 'unsafe-inline'`), which it
//! asks for itself. Every string is escaped on its way into the page by [`markup`]; names are in text and never in an
//! address, an id, a class or a style.

mod map;
mod tables;

use crate::{
    Report, guideline, human,
    text::{line, markup},
    time,
};

const STYLE: &str = include_str!("style.css");

/// The report as a page.
#[must_use]
pub fn html(report: &Report) -> String {
    let mut page = String::new();
    line!(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">");
    line!(
        page,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    );
    line!(page, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    line!(page, "<title>{}</title>", markup(&human::verdict(report)));
    line!(page, "<style>\n{STYLE}</style>\n</head>\n<body>\n<main>");
    header(&mut page, report);
    tables::tiles(&mut page, report);
    if let Some(table) = &report.guideline {
        guideline::html(&mut page, table);
    }
    map::section(&mut page, report);
    list(&mut page, "To know", &report.notes);
    tables::cleaned(&mut page, report);
    tables::volumes(&mut page, report);
    tables::findings(&mut page, report);
    tables::residue(&mut page, report);
    tables::accepted(&mut page, report);
    list(&mut page, "Image file", &report.container);
    let opinions: Vec<String> = report.opinions.iter().map(human::opinion).collect();
    list(&mut page, "Other readers", &opinions);
    tables::provenance(&mut page, report);
    line!(
        page,
        "<footer>{} {}, {}. No byte of a secret is in this page: a finding is named by its rule, its place and a \
         keyed digest.</footer>",
        markup(&report.tool.name),
        markup(&report.tool.version),
        time::rfc3339(report.started)
    );
    line!(page, "</main>\n</body>\n</html>");
    page
}

fn header(page: &mut String, report: &Report) {
    let (class, word) = if report.is_clean() { ("clean", "Clean") } else { ("dirty", "Not clean") };
    line!(page, "<header class=\"{class}\">\n<div class=\"word\">{word}</div>");
    line!(page, "<h1>{}</h1>", markup(&report.image.path));
    line!(page, "<p>{}</p>\n</header>", markup(&human::verdict(report)));
}

fn list(page: &mut String, heading: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    line!(page, "<h2>{heading}</h2>\n<div class=\"card\"><ul>");
    items.iter().for_each(|item| line!(page, "<li>{}</li>", markup(item)));
    line!(page, "</ul></div>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_page_needs_nothing_else() {
        let page = html(&sample::report());
        for outside in ["http://", "https://", "<script", "<link", "<img", "@import", "src=", "href="] {
            assert!(!page.contains(outside), "{outside}");
        }
        // The only addresses are the patterns of the map, in this page.
        assert_eq!(page.matches("url(").count(), page.matches("url(#hatch)").count());
    }

    #[test]
    fn names_cannot_leave_their_text() {
        let (plain, hostile) = (html(&sample::report()), html(&sample::hostile()));
        sample::assert_tame(&hostile);
        assert!(!hostile.contains("<script"));
        assert!(hostile.contains("&lt;/td&gt;&lt;/svg&gt;&lt;/title&gt;&lt;script&gt;alert(1)"));
        // The same elements, but for the one finding and the difference that are more.
        for element in ["<svg", "<table", "<main", "<header", "<footer"] {
            let more = usize::from(element == "<table");
            assert_eq!(hostile.matches(element).count(), plain.matches(element).count() + more, "{element}");
        }
    }

    #[test]
    fn a_clean_image_has_a_short_page() {
        let page = html(&sample::clean());
        assert!(page.contains("<header class=\"clean\">"));
        assert!(!page.contains("Disk map") && !page.contains("<h2>Findings"));
        assert!(page.len() < 16 << 10, "{}", page.len());
    }
}
