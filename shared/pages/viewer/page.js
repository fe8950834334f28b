// Shows openapi.json of the app that served this page. Nothing is asked of any other host: no validator, no fonts, no maps.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const shade = () => document.documentElement.classList.toggle("dark-mode", dark.matches); // a theme of swagger-ui.css
dark.addEventListener("change", shade);
shade();

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  displayOperationId: false,
  defaultModelsExpandDepth: -1,
  defaultModelRendering: "example",
  persistAuthorization: false,
  queryConfigEnabled: false,
  validatorUrl: null,
});
