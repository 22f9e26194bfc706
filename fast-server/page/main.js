import { html, render } from "./vendor/lit-html.js";

render(html`<h1>Media processor</h1>`, document.querySelector("#page"));
