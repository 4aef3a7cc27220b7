//! URLs and addresses: encoding, decoding, parts.

use arrow_array::ArrayRef;
use arrow_array::types::Int64Type;
use millstream_core::Result;

use super::{CallArgs, Definition, Returns};
use crate::types::SqlType;

pub(super) const TABLE: &[Definition] = &[
    Definition::new(&["URL_ENCODE"], &["text"], Returns::Nullable(SqlType::string), |args| {
        let texts = args.text(0)?;
        args.map_text(|row, out| {
            let Some(text) = texts.get(row) else { return Ok(false) };
            encode(text, out);
            Ok(true)
        })
    }),
    Definition::new(&["URL_DECODE"], &["text"], Returns::Nullable(SqlType::string), |args| {
        let texts = args.text(0)?;
        args.map_text(|row, out| {
            let Some(decoded) = texts.get(row).and_then(decode) else { return Ok(false) };
            out.push_str(&decoded);
            Ok(true)
        })
    }),
    Definition::new(
        &["PARSE_URL"],
        &["text, text, [text]"],
        Returns::Nullable(SqlType::string),
        parse_url,
    ),
    Definition::new(&["INET_ATON"], &["text"], Returns::Nullable(SqlType::bigint), |args| {
        let texts = args.text(0)?;
        args.map_numbers::<Int64Type>(|row| Ok(texts.get(row).and_then(address)))
    }),
    Definition::new(&["INET_NTOA"], &["bigint"], Returns::Nullable(SqlType::string), |args| {
        let numbers = args.bigints(0)?;
        args.map_text(|row, out| {
            let Some(number) = numbers.get(row).and_then(|n| u32::try_from(n).ok()) else {
                return Ok(false);
            };
            out.push_str(&std::net::Ipv4Addr::from(number).to_string());
            Ok(true)
        })
    }),
];

/// The number of an IPv4 address; of a short one like `127.1` the last part stands last.
fn address(text: &str) -> Option<i64> {
    let parts: Vec<u8> = text
        .split('.')
        .map(|part| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?)
        .collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 {
        return None;
    }
    let mut all = [0; 4];
    all[..first.len()].copy_from_slice(first);
    all[3] = *last;
    Some(i64::from(u32::from_be_bytes(all)))
}

/// As `java.net.URLEncoder` does: a blank is a plus sign.
fn encode(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push(char::from(DIGITS[usize::from(byte >> 4)]));
                out.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
}

/// `None` if a percent sign is not followed by two hexadecimal digits.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, tail @ ..] => {
                let digit = |b: &u8| char::from(*b).to_digit(16);
                bytes.push((digit(high)? * 16 + digit(low)?) as u8);
                tail
            }
            [b'%', ..] => return None,
            [b'+', tail @ ..] => {
                bytes.push(b' ');
                tail
            }
            [byte, tail @ ..] => {
                bytes.push(*byte);
                tail
            }
        };
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A URL taken apart as `java.net.URL` does; parts are as they stand in the text.
struct Url<'a> {
    protocol: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    reference: Option<&'a str>,
    file: &'a str,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Url<'a>> {
        let text = text.trim();
        let (protocol, rest) = text.split_once(':')?;
        let known = ["http", "https", "ftp", "file", "jar", "mailto"];
        if !known.iter().any(|p| protocol.eq_ignore_ascii_case(p)) {
            return None;
        }
        let (rest, reference) = match rest.split_once('#') {
            Some((rest, reference)) => (rest, Some(reference)),
            None => (rest, None),
        };
        let (authority, file) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        let (path, query) = match file.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (file, None),
        };
        Some(Url { protocol, authority, path, query, reference, file })
    }
    fn part(&self, name: &str) -> Option<&'a str> {
        let user_info = self.authority.and_then(|a| a.rsplit_once('@'));
        match name {
            "PROTOCOL" => Some(self.protocol),
            "AUTHORITY" => self.authority,
            "USERINFO" => user_info.map(|(user, _)| user),
            "HOST" => {
                let host = user_info.map(|(_, host)| host).or(self.authority)?;
                let port = host.rfind(':').filter(|at| !host[*at..].contains(']'));
                Some(&host[..port.unwrap_or(host.len())])
            }
            "PATH" => Some(self.path),
            "QUERY" => self.query,
            "REF" => self.reference,
            "FILE" => Some(self.file),
            _ => None,
        }
    }
}

fn parse_url(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, parts, keys) = (args.text(0)?, args.text(1)?, args.optional_text(2)?);
    args.pick_text(|row| {
        let Some((text, part)) = texts.get(row).zip(parts.get(row)) else { return Ok(None) };
        let found = Url::parse(text).and_then(|url| url.part(part));
        let Some(keys) = keys else { return Ok(found) };
        let (Some(key), Some(query), "QUERY") = (keys.get(row), found, part) else {
            return Ok(None);
        };
        Ok(query.split('&').find_map(|pair| {
            pair.split_once('=').filter(|(name, _)| *name == key).map(|(_, value)| value)
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url() {
        let url = Url::parse("http://me:pw@facebook.com:80/path1/p.php?k1=v1&k2=v2#Ref1").unwrap();
        for (name, expected) in [
            ("HOST", "facebook.com"),
            ("PATH", "/path1/p.php"),
            ("QUERY", "k1=v1&k2=v2"),
            ("REF", "Ref1"),
            ("PROTOCOL", "http"),
            ("AUTHORITY", "me:pw@facebook.com:80"),
            ("FILE", "/path1/p.php?k1=v1&k2=v2"),
            ("USERINFO", "me:pw"),
        ] {
            assert_eq!(url.part(name), Some(expected));
        }
        assert!(Url::parse("no url").is_none());
    }

    #[test]
    fn coding_goes_both_ways() {
        let mut out = String::new();
        encode("a b/é?", &mut out);
        assert_eq!(out, "a+b%2F%C3%A9%3F");
        assert_eq!(decode(&out).as_deref(), Some("a b/é?"));
        assert_eq!(decode("100%"), None);
    }
}
