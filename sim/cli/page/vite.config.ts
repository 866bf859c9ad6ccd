import { createHash } from "node:crypto";
import { defineConfig, type Plugin } from "vite";

const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/**
 * Puts script and style into the page, and a policy that lets nothing else run and
 * nothing be fetched.
 */
function oneFile(): Plugin {
  return {
    name: "one-file",
    enforce: "post",
    generateBundle(_, bundle) {
      let script = "";
      let style = "";
      for (const [name, part] of Object.entries(bundle)) {
        if (part.type === "chunk") script += part.code;
        else if (name.endsWith(".css")) style += part.source;
        else continue;
        delete bundle[name];
      }
      // The end of an element must not appear within it.
      script = script.trim().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
      style = style.trim();
      const page = bundle["index.html"];
      if (page?.type !== "asset") throw new Error("there is no index.html");
      const policy =
        `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; ` +
        `img-src data: blob:; base-uri 'none'; form-action 'none'`;
      let html = String(page.source)
        .replace(/<script type="module"[^>]*><\/script>\s*/g, "")
        .replace(/<link rel="(stylesheet|modulepreload)"[^>]*>\s*/g, "");
      const put = (place: string, text: string) => {
        if (html.split(place).length !== 2) throw new Error(`index.html needs one ${place}`);
        html = html.replace(place, () => text);
      };
      put("<!-- policy -->", `<meta http-equiv="Content-Security-Policy" content="${policy}">`);
      put("<!-- style -->", `<style>${style}</style>`);
      put("<!-- script -->", `<script type="module">${script}</script>`);
      delete bundle["index.html"];
      this.emitFile({ type: "asset", fileName: "view.html", source: html });
    },
  };
}

export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    reportCompressedSize: false,
  },
  plugins: [oneFile()],
  test: { include: ["tests/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
