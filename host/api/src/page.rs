//! Pages of lists: by key, not by number, so that what comes and goes in between moves nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use host_model::TenantId;
use host_wire::{LIMIT_DEFAULT, LIMIT_MAX, Page};
use serde::Deserialize;

use crate::problem::ApiError;

/// Which page.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// Items on the page, 1 to 1000; 100 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Which page of a tenant's list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TenantPageParams {
    /// Whose things.
    #[param(value_type = String, example = "acme")]
    pub(crate) tenant: TenantId,
    /// Items on the page, 1 to 1000; 100 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

impl TenantPageParams {
    pub(crate) fn into_parts(self) -> (TenantId, PageParams) {
        let Self { tenant, limit, cursor } = self;
        (tenant, PageParams { limit, cursor })
    }
}

impl PageParams {
    pub(crate) fn of(limit: Option<usize>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    /// The page of `items` that was asked for, in the order of their keys, which must differ from one another.
    pub(crate) fn cut<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> &str) -> Result<Page<T>, ApiError> {
        let limit = checked_limit(self.limit)?;
        let after = self.cursor.as_deref().map(read_cursor).transpose()?;
        items.retain(|item| after.as_deref().is_none_or(|after| key(item) > after));
        items.sort_by(|a, b| key(a).cmp(key(b)));
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
        Ok(Page { items, next })
    }
}

impl PageParams {
    /// Where a list that is numbered goes on, and how many items it may have.
    pub(crate) fn by_number(&self) -> Result<(u64, usize), ApiError> {
        let after = self.cursor.as_deref().map(read_cursor).transpose()?;
        let after = after.map_or(Ok(0), |after| after.parse()).map_err(|_| not_ours())?;
        Ok((after, checked_limit(self.limit)?))
    }
}

/// The cursor behind a number.
pub(crate) fn cursor_at(number: u64) -> String {
    URL_SAFE_NO_PAD.encode(number.to_string())
}

/// How many items, if so many may be asked for.
pub(crate) fn checked_limit(limit: Option<usize>) -> Result<usize, ApiError> {
    match limit.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        limit => Err(ApiError::BadQuery(format!("limit is {limit}: it must lie between 1 and {LIMIT_MAX}"))),
    }
}

fn read_cursor(cursor: &str) -> Result<String, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(not_ours)
}

fn not_ours() -> ApiError {
    ApiError::BadQuery("cursor is none of ours: give the 'next' of a page, or none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(limit: Option<usize>, cursor: Option<&str>) -> Result<Page<&'static str>, u16> {
        let params = PageParams::of(limit, cursor.map(str::to_owned));
        params.cut(vec!["c", "a", "b"], |item| item).map_err(|refused| refused.problem().status)
    }

    #[test]
    fn pages_follow_one_another_to_the_end() {
        let first = cut(Some(2), None).unwrap();
        assert_eq!(first.items, ["a", "b"]);
        let last = cut(Some(2), first.next.as_deref()).unwrap();
        assert_eq!((last.items.as_slice(), last.next), (["c"].as_slice(), None));
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        assert_eq!(cut(Some(3), None).unwrap().next, None);
        assert_eq!(cut(None, None).unwrap().items, ["a", "b", "c"]);
    }

    #[test]
    fn a_limit_and_a_cursor_are_checked() {
        assert_eq!(cut(Some(0), None).unwrap_err(), 400);
        assert_eq!(cut(Some(LIMIT_MAX), None).unwrap().items.len(), 3);
        assert_eq!(cut(Some(LIMIT_MAX + 1), None).unwrap_err(), 400);
        assert_eq!(cut(None, Some("not base64!")).unwrap_err(), 400);
    }
}
