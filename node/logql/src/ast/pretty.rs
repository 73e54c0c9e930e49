//! Prints a tree over several lines where one would be long, the way Loki's documentation sets its examples: each stage
//! on a line of its own, two spaces a level. Reads back as the same tree.

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
            self.line(depth + 2, &unwrap.to_string());
        }
        let mut range = format!("[{}]", aggregation.range);
        if aggregation.offset.0 != 0 {
            range += &format!(" offset {}", aggregation.offset);
        }
        self.line(depth + 2, &range);
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
        self.operand(&operation.left, operation.left_needs_parentheses(), depth);
        self.line(depth, &operation.operator());
        self.operand(&operation.right, operation.right_needs_parentheses(), depth);
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
        self.text.push(',');
        self.line(depth + 1, &replace.texts());
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
                 | json\n      | status!=\"\"\n      [5m]\n  )\n)",
            ),
        ];
        for (query, wanted) in cases {
            assert_eq!(pretty(&parse(query).unwrap()), wanted);
        }
    }
}
