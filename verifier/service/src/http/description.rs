//! The interface as OpenAPI, beside what each request says of itself.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, RefOr};
use utoipa::{Modify, OpenApi, openapi};

use super::problem::ProblemBody;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "aprove",
        description = "Converts GGUF models to APR v2 and proves the result. A verdict is `verified`, `different` or `undecided`; undecided is never good. Refusals are `application/problem+json` with a stable `code`."
    ),
    components(schemas(ProblemBody)),
    modifiers(&Bearer),
    // Without tokens nothing is needed.
    security(("bearer" = []), ())
)]
pub(super) struct Description;

/// How a token is sent.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, description: &mut openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("bearer", scheme);
    }
}

/// What the macros cannot say: `HEAD` is an operation of its own, and bytes are no list of numbers.
pub(super) fn put_right(description: &mut openapi::OpenApi) {
    for item in description.paths.paths.values_mut() {
        if let Some(head) = &mut item.head {
            head.operation_id = head.operation_id.take().map(|id| format!("{id}_head"));
        }
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.patch,
            &mut item.head,
        ];
        for operation in operations.into_iter().flatten() {
            let body = operation.request_body.iter_mut();
            body.for_each(|body| body.content.iter_mut().for_each(untyped));
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    response.content.iter_mut().for_each(untyped);
                }
            }
        }
    }
}

/// OpenAPI 3.1 describes bytes by no schema.
fn untyped((kind, content): (&String, &mut Content)) {
    if kind.ends_with("octet-stream") {
        content.schema = None;
    }
}
