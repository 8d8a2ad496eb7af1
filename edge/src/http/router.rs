//! Every path, and whether it stands behind the gate. The API description is made of the same routes, so nothing is
//! served that it does not name.

use super::{layers, openapi, problem::Problem};
use crate::{
    account, auth::gate, code, conversation, door::layer::attend, edge::Edge, friendship, inbox, message, oidc,
    pending, presence, preview, qr, second, session, socket, sync, system, translation,
};
use axum::{Router, extract::DefaultBodyLimit, middleware};
use natter_domain::{Code, limit};
use std::sync::Arc;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

pub type Routes = OpenApiRouter<Arc<Edge>>;

/// Everything that is served.
pub fn router(edge: &Arc<Edge>) -> Router {
    let (open, open_api) = public().split_for_parts();
    let (gated, gated_api) = private().split_for_parts();
    let gate = middleware::from_fn_with_state(edge.clone(), gate::signed_in);
    let docs = SwaggerUi::new("/docs").config(Config::from("/openapi.json"));
    let description = Arc::new(openapi::complete(open_api, gated_api));
    let routes = open.merge(gated.route_layer(gate)).with_state(edge.clone());
    surrounded(edge, answered(routes.merge(openapi::route(&description)).merge(Router::from(docs))))
}

/// What is served by a process without the role `edge`.
pub fn health(edge: &Arc<Edge>) -> Router {
    let (routes, _) = system::http::health().split_for_parts();
    surrounded(edge, answered(routes.with_state(edge.clone())))
}

/// Whatever is asked has an answer.
fn answered(routes: Router) -> Router {
    routes
        .fallback(async || Problem::new(Code::NotFound, "there is no such path"))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed, "this path has other methods"))
        .layer(DefaultBodyLimit::max(limit::REQUEST_BODY_MAX_BYTES))
}

/// What is common to all routes.
fn surrounded(edge: &Arc<Edge>, routes: Router) -> Router {
    let attended = routes.layer(middleware::from_fn_with_state(edge.clone(), attend));
    attended.layer(middleware::from_fn(layers::around))
}

/// The description of the API, of the very routes that are served.
pub fn description() -> OpenApi {
    openapi::complete(public().into_openapi(), private().into_openapi())
}

/// Whoever asks.
fn public() -> Routes {
    Routes::new()
        .merge(system::http::routes())
        .merge(session::http::public())
        .merge(code::http::public())
        .merge(second::http::public())
        .merge(qr::http::public())
        .merge(oidc::http::public())
        .merge(socket::upgrade::routes())
}

/// Whoever has an access token that works.
fn private() -> Routes {
    Routes::new()
        .merge(session::http::private())
        .merge(session::own::routes())
        .merge(second::http::private())
        .merge(qr::http::private())
        .merge(oidc::http::private())
        .merge(account::http::routes())
        .merge(code::http::private())
        .merge(account::settings::routes())
        .merge(friendship::http::routes())
        .merge(friendship::friend::routes())
        .merge(friendship::block::routes())
        .merge(conversation::http::routes())
        .merge(conversation::members::routes())
        .merge(conversation::join::routes())
        .merge(conversation::admin::routes())
        .merge(message::http::routes())
        .merge(message::filter::routes())
        .merge(message::forward::routes())
        .merge(message::thread::routes())
        .merge(message::own::routes())
        .merge(preview::http::routes())
        .merge(translation::http::routes())
        .merge(message::past::routes())
        .merge(inbox::http::routes())
        .merge(inbox::unread::routes())
        .merge(presence::http::routes())
        .merge(pending::http::routes())
        .merge(sync::http::routes())
}
