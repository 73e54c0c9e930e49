//! One scenario at several settings.

/// Returns the changes that make each variant, of `key=value,value…` each: all combinations; one without changes if there are none.
pub fn variants(vary: &[String]) -> Result<Vec<Vec<String>>, String> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    for change in vary {
        let Some((key, values)) = change.split_once('=').filter(|(_, values)| !values.is_empty()) else {
            return Err(format!(
                "`{change}` does not say what to vary; write a key, `=` and its values, such as copies=1,2,3"
            ));
        };
        let values: Vec<&str> = values.split(',').map(str::trim).collect();
        if all.len() * values.len() > VARIANTS_MAX {
            return Err(format!("these are more than {VARIANTS_MAX} variants, the most"));
        }
        let with = |before: &Vec<String>, value: &str| [&before[..], &[format!("{}={value}", key.trim())]].concat();
        all = all.iter().flat_map(|before| values.iter().map(move |value| with(before, value))).collect();
    }
    Ok(all)
}

/// The most variants that are compared at once.
pub(crate) const VARIANTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_all_combinations() {
        let two = variants(&["copies=1, all".into(), "rate=1/s,2/s".into()]).unwrap();
        let expected = [
            ["copies=1", "rate=1/s"],
            ["copies=1", "rate=2/s"],
            ["copies=all", "rate=1/s"],
            ["copies=all", "rate=2/s"],
        ];
        assert_eq!(two, expected);
        assert_eq!(variants(&[]).unwrap(), [Vec::<String>::new()]);
        assert!(variants(&["copies".into()]).is_err());
        assert!(variants(&vec!["a=1,2,3,4,5,6,7,8,9".into(); 3]).is_err());
    }
}
