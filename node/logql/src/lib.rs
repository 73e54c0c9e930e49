//! LogQL: lexer, parser, typed tree, plan, evaluation.
