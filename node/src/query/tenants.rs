//! Several tenants in one read: the streams of each bear its name as a label (Loki documentation, "Manage tenant
//! isolation").

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::Rows;

/// The label that tells the tenant of a stream where a read names several.
const TENANT_LABEL: &str = "__tenant_id__";

/// Adds the tenant's name to labels, or leaves them as they are where a read names one tenant only.
pub(super) struct Tagger<'a> {
    tenant: Option<&'a str>,
    known: RefCell<HashMap<Labels, Arc<Labels>>>,
}

impl<'a> Tagger<'a> {
    /// Returns one for the streams of `tenant`, which a read of `tenants` looks at.
    pub(super) fn new(tenant: &'a str, tenants: &[String]) -> Self {
        Self { tenant: Some(tenant).filter(|_| tenants.len() > 1), known: RefCell::default() }
    }

    /// Returns what `look` makes of the labels with their tag.
    pub(super) fn with<T>(&self, labels: &Labels, look: impl FnOnce(&Labels) -> T) -> T {
        match self.tenant {
            None => look(labels),
            Some(tenant) => look(&tagged(labels, tenant)),
        }
    }

    /// Tags the streams of `rows`.
    pub(super) fn tag(&self, rows: &mut Rows) {
        let Some(tenant) = self.tenant else { return };
        let known = &mut *self.known.borrow_mut();
        if known.len() > KNOWN_MAX {
            known.clear();
        }
        for stream in &mut rows.streams {
            stream.labels = match known.get(&*stream.labels) {
                Some(tagged) => tagged.clone(),
                None => {
                    let tagged = Arc::new(tagged(&stream.labels, tenant));
                    known.insert((*stream.labels).clone(), tagged.clone());
                    tagged
                }
            };
        }
    }
}

/// A label of that name which a stream has already is kept under another.
fn tagged(labels: &Labels, tenant: &str) -> Labels {
    let renamed = labels.iter().map(|(name, value)| {
        let name = if name == TENANT_LABEL { format!("original_{name}") } else { name.to_owned() };
        (name, value.to_owned())
    });
    Labels::new(renamed.chain([(TENANT_LABEL.to_owned(), tenant.to_owned())]))
}

/// The streams whose tagged labels are remembered; beyond it all are forgotten.
const KNOWN_MAX: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn check(tenants: &[&str], pairs: &[(&str, &str)], want: &[(&str, &str)]) {
        let tenants: Vec<String> = tenants.iter().map(|&tenant| tenant.to_owned()).collect();
        let tagger = Tagger::new("a", &tenants);
        assert_eq!(tagger.with(&labels(pairs), Labels::clone), labels(want));
    }

    #[test]
    fn streams_bear_their_tenant_where_a_read_names_several() {
        check(&["a"], &[("app", "x")], &[("app", "x")]);
        check(&["a", "b"], &[("app", "x")], &[("app", "x"), ("__tenant_id__", "a")]);
        let had = [("__tenant_id__", "mine")];
        check(&["a", "b"], &had, &[("original___tenant_id__", "mine"), ("__tenant_id__", "a")]);
    }
}
