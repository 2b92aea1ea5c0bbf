// Asked of the page in the frame: what is there, and whether a person could read it.
addEventListener("load", () => {
  const frame = document.getElementById("page");
  const page = frame.contentDocument;
  const view = frame.contentWindow;
  const all = (selector) => [...page.querySelectorAll(selector)];
  const name = (element) => `${element.className || element.tagName}: ${element.textContent.slice(0, 40)}`;

  // The contrast of two colours, after WCAG 2.
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const light = (text) => {
    const [r, g, b] = rgb(text).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = view.getComputedStyle(at).backgroundColor;
      if (color !== "rgba(0, 0, 0, 0)") return color;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (element) => {
    const [a, b] = [light(view.getComputedStyle(element).color), light(behind(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };

  for (const details of all("details")) details.open = true;
  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    if (walker.currentNode.data.trim() && box.width && view.getComputedStyle(element).visibility === "visible") texts.push(element);
  }
  const overlaps = (elements) => {
    const boxes = elements.map((e) => [e, e.getBoundingClientRect()]).filter(([, b]) => b.width);
    const found = [];
    boxes.forEach(([a, x], at) => boxes.slice(at + 1).forEach(([b, y]) => {
      if (x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 1 && y.top < x.bottom - 1) found.push(`${name(a)} / ${name(b)}`);
    }));
    return found;
  };
  document.getElementById("found").textContent = JSON.stringify({
    width: view.innerWidth,
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    events: all("li.event").length,
    dots: all(".track .dot").length,
    targets: all(".track .dot").filter((dot) => page.querySelector(dot.getAttribute("href"))).length,
    overflow: Math.max(0, page.documentElement.scrollWidth - view.innerWidth),
    cut: texts.filter((e) => e.scrollWidth > e.clientWidth + 1 && view.getComputedStyle(e).display !== "inline").map(name),
    overlaps: [...overlaps(all(".tick")), ...overlaps(all(".name bdi")), ...overlaps(all("li.event")), ...overlaps(all("li:first-child > *"))],
    texts: texts.length,
    contrast: Math.min(...texts.map(contrast)),
    payload: page.querySelector("pre") ? page.querySelector("pre").textContent : null,
    unseen: (page.body.textContent.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g) || []).length,
  });
});
