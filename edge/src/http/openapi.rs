//! The API description. Each route describes what is its own; what is common to all (errors, headers, who may) is
//! added here by rule, so that no route can forget it.

use super::{key, position, problem};
use axum::{Router, http::header, routing::get};
use natter_client::wire;
use std::sync::Arc;
use utoipa::{
    Modify, OpenApi as _,
    openapi::{
        Content, Header, HttpMethod, Object, OpenApi, Ref, RefOr, Required, Response, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::{KnownFormat, ObjectBuilder, SchemaFormat},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Natter",
        description = "Instant messaging. Every error is an RFC 9457 problem; every answer has `X-Request-Id`.",
    ),
    components(schemas(wire::Problem, wire::MergedItem)),
    modifiers(&Bearer),
)]
struct Frame;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        api.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The description of the whole API from its two halves, before and behind the gate.
pub fn complete(mut open: OpenApi, mut gated: OpenApi) -> OpenApi {
    each(&mut open, |method, operation| describe_errors(method, operation, false));
    each(&mut gated, |method, operation| {
        describe_errors(method, operation, true);
        describe_headers(method, operation);
        operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    });
    let mut whole = Frame::openapi();
    whole.merge(open);
    whole.merge(gated);
    whole
}

fn each(api: &mut OpenApi, mut change: impl FnMut(&HttpMethod, &mut Operation)) {
    for item in api.paths.paths.values_mut() {
        let PathItem { get, put, post, delete, patch, .. } = item;
        let methods = [HttpMethod::Get, HttpMethod::Put, HttpMethod::Post, HttpMethod::Delete, HttpMethod::Patch];
        for (method, operation) in methods.iter().zip([get, put, post, delete, patch]) {
            operation.iter_mut().for_each(|operation| change(method, operation));
        }
    }
}

fn describe_errors(method: &HttpMethod, operation: &mut Operation, gated: bool) {
    let mut add = |status: &str, codes: &str| {
        let known = operation.responses.responses.entry(status.to_owned());
        known.or_insert_with(|| Response::new(codes).into());
    };
    if gated {
        add("401", "`unauthenticated`, `token_expired`");
    }
    if operation.request_body.is_some() {
        add("413", "`payload_too_large`");
        add("415", "`unsupported_media_type`");
        add("422", "`invalid_input`");
    }
    if gated || *method != HttpMethod::Get {
        add("400", "`malformed`");
        add("429", "`rate_limited`: asked too often, `Retry-After` says when to come again");
        add("500", "`internal`");
        add("503", "`unavailable`: try again, a write under the same key");
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
            && response.content.is_empty()
        {
            let schema = Ref::from_schema_name("Problem");
            response.content.insert(problem::CONTENT_TYPE.to_owned(), Content::new(Some(schema)).into());
        }
    }
}

fn describe_headers(method: &HttpMethod, operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    let reads = *method == HttpMethod::Get
        || matches!(operation.operation_id.as_deref(), Some("account_lookup" | "message_lookup" | "presence_lookup"));
    if reads {
        let text = "What the answer must show: the `Natter-Position` of a write.";
        parameters.push(parameter(position::HEADER.as_str(), text, Object::with_type(Type::String)).into());
        return;
    }
    let uuid =
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    let text = "The same key from the same account gives the first answer again.";
    parameters.push(parameter(key::HEADER.as_str(), text, uuid.build()).into());
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with('2')
        {
            response.headers.insert(position::HEADER.to_string(), Header::default().into());
        }
    }
}

fn parameter(name: &str, text: &str, schema: Object) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(text))
        .schema(Some(schema))
        .build()
}

/// Where the description is served.
pub fn route(api: &Arc<OpenApi>) -> Router {
    let text: Arc<str> = serde_json::to_string(api.as_ref()).expect("a description is JSON").into();
    let answer = move || {
        let text = text.to_string();
        async { ([(header::CONTENT_TYPE, "application/json")], text) }
    };
    Router::new().route("/openapi.json", get(answer))
}
