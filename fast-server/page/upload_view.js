import { html, nothing } from "./vendor/lit-html.js";

export const dropCard = () => html`<section class="card">Drop</section>`;
export const uploadCard = () => nothing;
