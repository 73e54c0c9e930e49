//! Prints a tree over several lines where one would be long, the way Loki's documentation sets its examples: each stage
//! on a line of its own, the range behind the last of them, two spaces a level, operands deeper than their operator. Reads back
//! as the same tree.

use super::{BinaryOperation, Expr, LabelReplace, LogExpr, MetricExpr, RangeAggregation, VectorAggregation};

/// The most characters of a query that stays on one line; a longer one is broken wherever it can be.
const WIDTH: usize = 100;

/// Returns a query as people like to read it.
pub fn pretty(expr: &Expr) -> String {
    let text = expr.to_string();
    if text.chars().count() <= WIDTH {
        return text;
    }
    let mut page = Page::default();
    match expr {
        Expr::Log(log) => page.log(log, 0),
        Expr::Metric(metric) => page.metric(metric, 0),
    }
    page.text
}

/// What is written so far.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, depth: usize, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.extend(std::iter::repeat_n(INDENT, depth));
        self.text.push_str(text);
    }

    fn log(&mut self, log: &LogExpr, depth: usize) {
        self.line(depth, &log.selector.to_string());
        for stage in &log.stages {
            self.line(depth + 1, &stage.to_string());
        }
    }

    fn metric(&mut self, metric: &MetricExpr, depth: usize) {
        match metric {
            MetricExpr::Literal(_) | MetricExpr::VectorOf(_) => self.line(depth, &metric.to_string()),
            MetricExpr::Range(aggregation) => self.range(aggregation, depth),
            MetricExpr::Vector(aggregation) => self.vector(aggregation, depth),
            MetricExpr::Binary(operation) => self.binary(operation, depth),
            MetricExpr::LabelReplace(replace) => self.label_replace(replace, depth),
        }
    }

    fn range(&mut self, aggregation: &RangeAggregation, depth: usize) {
        self.line(depth, &format!("{}(", aggregation.op.name()));
        if let Some(parameter) = aggregation.parameter {
            self.line(depth + 1, &format!("{parameter},"));
        }
        self.log(&aggregation.log, depth + 1);
        if let Some(unwrap) = &aggregation.unwrap {
            self.line(depth + 2, &unwrap.value());
            unwrap.filters.iter().for_each(|filter| self.line(depth + 2, &format!("| {filter}")));
        }
        // The range ends the line of what it is the range of.
        self.text.push_str(&format!(" [{}]", aggregation.range));
        if aggregation.offset.0 != 0 {
            self.text.push_str(&format!(" offset {}", aggregation.offset));
        }
        let grouping = aggregation.grouping.as_ref().map_or(String::new(), |grouping| format!(" {grouping}"));
        self.line(depth, &format!("){grouping}"));
    }

    fn vector(&mut self, aggregation: &VectorAggregation, depth: usize) {
        let grouping = aggregation.grouping.as_ref().map_or(String::new(), |grouping| format!(" {grouping} "));
        self.line(depth, &format!("{}{grouping}(", aggregation.op.name()));
        if let Some(parameter) = &aggregation.parameter {
            self.line(depth + 1, &format!("{parameter},"));
        }
        self.metric(&aggregation.of, depth + 1);
        self.line(depth, ")");
    }

    fn binary(&mut self, operation: &BinaryOperation, depth: usize) {
        self.operand(&operation.left, operation.left_needs_parentheses(), depth + 1);
        self.line(depth, &operation.operator());
        self.operand(&operation.right, operation.right_needs_parentheses(), depth + 1);
    }

    fn operand(&mut self, operand: &MetricExpr, parentheses: bool, depth: usize) {
        if !parentheses {
            return self.metric(operand, depth);
        }
        self.line(depth, "(");
        self.metric(operand, depth + 1);
        self.line(depth, ")");
    }

    fn label_replace(&mut self, replace: &LabelReplace, depth: usize) {
        self.line(depth, "label_replace(");
        self.metric(&replace.of, depth + 1);
        for text in replace.texts() {
            self.text.push(',');
            self.line(depth + 1, &text);
        }
        self.line(depth, ")");
    }
}

const INDENT: &str = "  ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn what_is_long_is_broken_at_its_stages() {
        let cases = [
            (r#"{foo=   "bar"}"#, "{foo=\"bar\"}"),
            (r#"{a="b"}|json|x>1"#, "{a=\"b\"} | json | x>1"),
            (
                r#"{job="loki-ops/query-frontend",cluster="ops-tools1"} |= "metrics.go" != "out of order" | logfmt | duration > 30s or status_code != "200""#,
                "{job=\"loki-ops/query-frontend\", cluster=\"ops-tools1\"}\n  |= \"metrics.go\"\n  != \"out of order\"\n  | logfmt\n  \
                 | duration>30s or status_code!=\"200\"",
            ),
            (
                r#"sum by (app, status)(rate({job="http-server", environment="production", cluster="ops-tools1"} | json | status != ""[5m]))"#,
                "sum by (app, status) (\n  rate(\n    {job=\"http-server\", environment=\"production\", cluster=\"ops-tools1\"}\n      \
                 | json\n      | status!=\"\" [5m]\n  )\n)",
            ),
            (
                r#"avg_over_time({job="loki-ops/query-frontend",cluster="ops-tools1"} | logfmt | unwrap duration(latency) | __error__="" | org!="x" [5m] offset 1h) by (org)"#,
                "avg_over_time(\n  {job=\"loki-ops/query-frontend\", cluster=\"ops-tools1\"}\n    | logfmt\n    | unwrap duration(latency)\n    \
                 | __error__=\"\"\n    | org!=\"x\" [5m] offset 1h\n) by (org)",
            ),
            (
                r#"sum(rate({job="api-server", cluster="ops-tools1"} |= "error" [5m])) / sum(rate({job="api-server", cluster="ops-tools1"}[5m]))"#,
                "  sum(\n    rate(\n      {job=\"api-server\", cluster=\"ops-tools1\"}\n        |= \"error\" [5m]\n    )\n  )\n/\n  sum(\n    rate(\n      \
                 {job=\"api-server\", cluster=\"ops-tools1\"} [5m]\n    )\n  )",
            ),
            (
                r#"label_replace(rate({job="api-server", cluster="ops-tools1"}[5m]), "service_name", "$1", "service", "([^:]*):.*")"#,
                "label_replace(\n  rate(\n    {job=\"api-server\", cluster=\"ops-tools1\"} [5m]\n  ),\n  \"service_name\",\n  \"$1\",\n  \
                 \"service\",\n  \"([^:]*):.*\"\n)",
            ),
        ];
        for (query, wanted) in cases {
            assert_eq!(pretty(&parse(query).unwrap()), wanted);
            assert_eq!(parse(wanted), parse(query));
        }
    }
}
