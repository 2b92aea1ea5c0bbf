//! Text that is only text to a browser.

/// Escapes a text for the page: whatever could end it, begin an element or reverse its direction.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push(c, &mut out));
    out
}

/// Escapes a text for an attribute shown in one line: cut to what can be read there.
pub(super) fn title(full: &str) -> String {
    let mut short = full.to_owned();
    super::cut(&mut short, 120);
    text(&short)
}

/// Formats JSON with a line for each member, unless it is nested too deeply to read. Only blanks
/// between its words change, and invisible characters.
pub(super) fn pretty(json: &str) -> String {
    /// The depth beyond which nothing is indented further.
    const DEEPEST: usize = 24;
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let break_line = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(DEEPEST)));
    };
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if in_text {
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            match c {
                '"' => in_text = true,
                ' ' | '\n' | '\r' | '\t' => continue,
                '{' | '[' => {
                    while chars.next_if(char::is_ascii_whitespace).is_some() {}
                    out.push(c);
                    if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                        out.push(end);
                    } else {
                        depth += 1;
                        break_line(depth, &mut out);
                    }
                    continue;
                }
                '}' | ']' => {
                    depth = depth.saturating_sub(1);
                    break_line(depth, &mut out);
                }
                ',' => {
                    out.push(c);
                    break_line(depth, &mut out);
                    continue;
                }
                ':' => {
                    out.push_str(": ");
                    continue;
                }
                _ => {}
            }
        }
        push(c, &mut out);
    }
    out
}

fn push(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        other => crate::text::push(other, out),
    }
}
