//! The functions that a template may call: Go's own and those that LogQL documents, by name.

mod math;
mod moments;
mod text;

use std::fmt;

use super::arguments::{Arguments, Mistake};
use super::builtins;
use super::scope::Scope;
use super::value::Value;
pub(super) use text::query_escape;

/// A function.
pub(super) struct Function {
    /// Its name.
    pub(super) name: &'static str,
    /// The fewest arguments.
    pub(super) least: usize,
    /// The most arguments.
    pub(super) most: usize,
    /// What it does.
    pub(super) body: Body,
}

/// What a call gives.
pub(super) type Called<'a> = Result<Value<'a>, Mistake>;

/// What a function does.
pub(super) type Body = for<'a> fn(&mut Scope<'a, '_>, Arguments<'_, 'a>) -> Called<'a>;

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    /// Tells what is wrong with a number of arguments.
    pub(super) fn refuses(&self, count: usize) -> Option<String> {
        let (name, least) = (self.name, self.least);
        if self.most == ANY && count < least {
            return Some(format!("wrong number of args for {name}: want at least {least} got {count}"));
        }
        if count < least || count > self.most {
            return Some(format!("wrong number of args for {name}: want {least} got {count}"));
        }
        None
    }
}

/// Returns the function of this name.
pub(super) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

const ANY: usize = usize::MAX;

const fn function(name: &'static str, least: usize, most: usize, body: Body) -> Function {
    Function { name, least, most, body }
}

/// All functions. Go's own first; then the line's properties, times, texts, numbers and regular expressions, in the order of
/// LogQL's documentation; then the names that it calls deprecated.
static FUNCTIONS: &[Function] = &[
    function("and", 1, ANY, builtins::last),
    function("call", 1, ANY, builtins::call),
    function("eq", 1, ANY, builtins::eq),
    function("ge", 2, 2, builtins::ge),
    function("gt", 2, 2, builtins::gt),
    function("html", 0, ANY, builtins::html),
    function("index", 1, ANY, builtins::index),
    function("js", 0, ANY, builtins::js),
    function("le", 2, 2, builtins::le),
    function("len", 1, 1, builtins::len),
    function("lt", 2, 2, builtins::lt),
    function("ne", 2, 2, builtins::ne),
    function("not", 1, 1, builtins::not),
    function("or", 1, ANY, builtins::last),
    function("print", 0, ANY, builtins::print),
    function("printf", 1, ANY, builtins::printf),
    function("println", 0, ANY, builtins::println),
    function("slice", 1, ANY, builtins::slice),
    function("urlquery", 0, ANY, builtins::urlquery),
    function("__line__", 0, 0, moments::line),
    function("__timestamp__", 0, 0, moments::timestamp),
    function("date", 2, 2, moments::date),
    function("duration", 1, 1, moments::duration),
    function("duration_seconds", 1, 1, moments::duration),
    function("now", 0, 0, moments::now),
    function("toDate", 2, 2, moments::to_date),
    function("toDateInZone", 3, 3, moments::to_date_in_zone),
    function("unixEpoch", 1, 1, moments::unix_epoch),
    function("unixEpochMillis", 1, 1, moments::unix_epoch_millis),
    function("unixEpochNanos", 1, 1, moments::unix_epoch_nanos),
    function("unixToTime", 1, 1, moments::unix_to_time),
    function("alignLeft", 2, 2, text::align_left),
    function("alignRight", 2, 2, text::align_right),
    function("b64enc", 1, 1, text::b64enc),
    function("b64dec", 1, 1, text::b64dec),
    function("bytes", 1, 1, math::bytes),
    function("default", 1, ANY, text::default),
    function("fromJson", 1, 1, text::from_json),
    function("lower", 1, 1, text::lower),
    function("indent", 2, 2, text::indent),
    function("nindent", 2, 2, text::nindent),
    function("repeat", 2, 2, text::repeat),
    function("replace", 3, 3, text::replace),
    function("substr", 3, 3, text::substr),
    function("title", 1, 1, text::title),
    function("trim", 1, 1, text::trim),
    function("trimAll", 2, 2, text::trim_all),
    function("trimPrefix", 2, 2, text::trim_prefix),
    function("trimSuffix", 2, 2, text::trim_suffix),
    function("trunc", 2, 2, text::trunc),
    function("upper", 1, 1, text::upper),
    function("urlencode", 1, 1, text::urlencode),
    function("urldecode", 1, 1, text::urldecode),
    function("contains", 2, 2, text::contains),
    function("hasPrefix", 2, 2, text::has_prefix),
    function("hasSuffix", 2, 2, text::has_suffix),
    function("add", 0, ANY, math::add),
    function("addf", 0, ANY, math::addf),
    function("ceil", 1, 1, math::ceil),
    function("div", 2, 2, math::div),
    function("divf", 1, ANY, math::divf),
    function("float64", 1, 1, math::float64),
    function("floor", 1, 1, math::floor),
    function("int", 1, 1, math::int),
    function("max", 1, ANY, math::max),
    function("maxf", 1, ANY, math::maxf),
    function("min", 1, ANY, math::min),
    function("minf", 1, ANY, math::minf),
    function("mul", 1, ANY, math::mul),
    function("mulf", 1, ANY, math::mulf),
    function("mod", 2, 2, math::modulo),
    function("round", 2, ANY, math::round),
    function("sub", 2, 2, math::sub),
    function("subf", 1, ANY, math::subf),
    function("count", 2, 2, text::count),
    function("regexReplaceAll", 3, 3, text::regex_replace_all),
    function("regexReplaceAllLiteral", 3, 3, text::regex_replace_all_literal),
    function("ToLower", 1, 1, text::lower),
    function("ToUpper", 1, 1, text::upper),
    function("Replace", 4, 4, text::replace_some),
    function("Trim", 2, 2, text::trim_cutset),
    function("TrimLeft", 2, 2, text::trim_left),
    function("TrimRight", 2, 2, text::trim_right),
    function("TrimPrefix", 2, 2, text::trim_prefix_of),
    function("TrimSuffix", 2, 2, text::trim_suffix_of),
    function("TrimSpace", 1, 1, text::trim),
];
