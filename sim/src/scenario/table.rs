//! A TOML table that is read key by key: what nobody asked for is a mistake in the end, with the key that was meant.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, suggestion};

/// A value with its place and the path of its key.
pub(crate) struct Given<'a> {
    pub(crate) path: String,
    pub(crate) span: Range<usize>,
    pub(crate) value: &'a DeValue<'a>,
}

impl<'a> Given<'a> {
    /// Returns a mistake about this value.
    pub(crate) fn wrong(&self, what: impl Into<String>) -> Mistake {
        Mistake::new(self.span.clone(), &self.path, what)
    }

    /// Returns the text, or what is there instead.
    pub(crate) fn text(&self, example: &str) -> Result<&'a str, Mistake> {
        match self.value {
            DeValue::String(text) => Ok(text),
            other => {
                Err(self.wrong(format!("a text is wanted, not {}", kind(other))).hint(format!("such as {example}")))
            }
        }
    }

    /// Returns the whole number between two bounds.
    pub(crate) fn number(&self, bounds: (u64, u64)) -> Result<u64, Mistake> {
        let wanted = format!("a whole number from {} to {} is wanted", bounds.0, bounds.1);
        let DeValue::Integer(number) = self.value else {
            return Err(self.wrong(format!("{wanted}, not {}", kind(self.value))));
        };
        let number = u64::from_str_radix(number.as_str(), number.radix()).ok();
        number.filter(|number| (bounds.0..=bounds.1).contains(number)).ok_or_else(|| self.wrong(wanted))
    }

    /// Returns yes or no.
    pub(crate) fn flag(&self) -> Result<bool, Mistake> {
        match self.value {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(self.wrong(format!("true or false is wanted, not {}", kind(other)))),
        }
    }

    /// Returns the elements of an array.
    pub(crate) fn array(&self) -> Result<Vec<Given<'a>>, Mistake> {
        let DeValue::Array(array) = self.value else {
            return Err(self.wrong(format!("an array is wanted, not {}", kind(self.value))));
        };
        let given = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| Given {
            path: format!("{}[{index}]", self.path),
            span: value.span(),
            value: value.get_ref(),
        };
        Ok(array.iter().enumerate().map(given).collect())
    }

    /// Returns a table to be read key by key.
    pub(crate) fn table(&self) -> Result<Table<'a>, Mistake> {
        match self.value {
            DeValue::Table(table) => Ok(Table::new(&self.path, self.span.clone(), table)),
            other => Err(self.wrong(format!("a table is wanted, not {}", kind(other)))),
        }
    }
}

/// A table, and which of its keys were asked for.
pub(crate) struct Table<'a> {
    path: String,
    span: Range<usize>,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
    /// What was found wrong so far.
    pub(crate) mistakes: Vec<Mistake>,
}

impl<'a> Table<'a> {
    /// Returns the table at `path`, empty for the root, whose head is at `span`.
    pub(crate) fn new(path: &str, span: Range<usize>, table: &'a DeTable<'a>) -> Self {
        Self { path: path.to_owned(), span, table, known: Vec::new(), mistakes: Vec::new() }
    }

    /// Returns what a key holds.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Given<'a>> {
        self.known.push(key);
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Some(Given { path, span: value.span(), value: value.get_ref() })
    }

    /// Returns what a key holds if it reads well, and notes the mistake if not.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Given<'a>) -> Result<T, Mistake>,
    ) -> Option<T> {
        let given = self.take(key)?;
        read(&given).map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    /// Returns a text that `parse` understands.
    pub(crate) fn parse<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read(key, |given| parse(given.text(example)?).map_err(|what| given.wrong(what)))
    }

    /// Notes that a key is wanted that is not there.
    pub(crate) fn lacks(&mut self, key: &'static str, example: &str) {
        if !self.table.iter().any(|(name, _)| name.get_ref() == key) {
            let what = format!("`{key}` is missing");
            self.mistakes.push(Mistake::new(self.head(), &self.path, what).hint(format!("such as {key} = {example}")));
        }
    }

    /// Returns what is wrong in this table; to be called when all keys were asked for.
    pub(crate) fn finish(mut self) -> Vec<Mistake> {
        for (key, _) in self.table.iter().filter(|(key, _)| !self.known.contains(&key.get_ref().as_ref())) {
            let place = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let what = format!("there is no key `{}`{place}", key.get_ref());
            let hint = suggestion(key.get_ref(), &self.known);
            self.mistakes.push(Mistake::new(key.span(), "", what).hint(hint));
        }
        self.mistakes
    }

    fn head(&self) -> Range<usize> {
        if self.path.is_empty() { 0..0 } else { self.span.clone() }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a bare number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
