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
  onComplete: () => { // names for screen readers
    document.getElementById("servers")?.setAttribute("aria-label", "Server");
    for (const [part, name] of [["information", "About"], ["scheme", "Server and key"], ["filter", "Filter"]]) {
      const node = document.querySelector(`.${part}-container`);
      node?.setAttribute("role", "region");
      node?.setAttribute("aria-label", name);
    }
  },
});
