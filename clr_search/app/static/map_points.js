/**
 * Points of a map, drawn by WebGL 2: all of them in one call.
 */

const VERTEX = `#version 300 es
in vec2 place;
in uint code;
uniform vec2 scale, shift;
uniform float size, grow;
uniform sampler2D palette;
flat out vec4 colour;
void main() {
  colour = texelFetch(palette, ivec2(int(code), 0), 0);
  gl_Position = colour.a == 0.0 ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(place * scale + shift, 0.0, 1.0);
  gl_PointSize = size * (1.0 + grow * float(code) / 254.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
flat in vec4 colour;
uniform float size;
out vec4 drawn;
void main() {
  float edge = 1.0 - smoothstep(0.5 - 1.0 / size, 0.5, length(gl_PointCoord - 0.5));
  float alpha = colour.a * (size < 3.0 ? 1.0 : edge);
  drawn = vec4(colour.rgb * alpha, alpha);
}`;

/** The number of colours: one for each code. */
export const COLOURS = 256;

export class Points {
  /**
   * @param {HTMLCanvasElement} canvas
   * @returns {Points | null} null where the browser cannot draw by WebGL 2
   */
  static on(canvas) {
    const gl = canvas.getContext('webgl2', { antialias: false, premultipliedAlpha: true });
    return gl && new Points(gl);
  }

  /** @param {WebGL2RenderingContext} gl */
  constructor(gl) {
    this.gl = gl;
    this.count = 0;
    /** @type {Uint16Array} */
    this.places = new Uint16Array(0);
    /** @type {Uint8Array} */
    this.codes = new Uint8Array(0);
    /** @type {Uint8Array} */
    this.palette = new Uint8Array(4 * COLOURS).fill(128);
    this.build();
  }

  /** Make all that lies in the memory of the graphics card, also once that has been lost. */
  build() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of /** @type {[number, string][]} */ ([
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ])) {
      const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.bindAttribLocation(program, 0, 'place');
    gl.bindAttribLocation(program, 1, 'code');
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`The map cannot be drawn: ${gl.getProgramInfoLog(program)}`);
    }
    gl.useProgram(program);
    this.scale = gl.getUniformLocation(program, 'scale');
    this.shift = gl.getUniformLocation(program, 'shift');
    this.size = gl.getUniformLocation(program, 'size');
    this.grow = gl.getUniformLocation(program, 'grow');
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.enableVertexAttribArray(0);
    gl.enableVertexAttribArray(1);
    this.placeBuffer = gl.createBuffer();
    this.codeBuffer = gl.createBuffer();
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    this.setPlaces(this.places);
    this.setCodes(this.codes);
    this.setPalette(this.palette);
  }

  /** @param {Uint16Array} places x and y of each point; 65535 is the whole width of the map */
  setPlaces(places) {
    const { gl } = this;
    this.places = places;
    this.count = places.length / 2;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.placeBuffer ?? null);
    gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
    gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, true, 0, 0);
    if (this.codes.length !== this.count) this.setCodes(new Uint8Array(this.count));
  }

  /** @param {Uint8Array} codes which colour each point has */
  setCodes(codes) {
    const { gl } = this;
    this.codes = codes;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.codeBuffer ?? null);
    gl.bufferData(gl.ARRAY_BUFFER, codes, gl.STATIC_DRAW);
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_BYTE, 0, 0);
  }

  /** @param {Uint8Array} palette red, green, blue and alpha of each code; 0 shows no point */
  setPalette(palette) {
    const { gl } = this;
    this.palette = palette;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, COLOURS, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, palette);
  }

  /**
   * Draw the points.
   *
   * @param {import('./map_camera.js').Camera} camera
   * @param {number} size of a point, in pixels of the canvas
   * @param {number} grow how much larger points of the last code are
   * @param {number} most how many points are drawn; as they come in random order, it is a sample
   */
  draw(camera, size, grow, most) {
    const { gl } = this;
    const { width, height } = gl.canvas;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const across = (2 * camera.side) / camera.width;
    const down = (2 * camera.side) / camera.height;
    gl.uniform2f(this.scale ?? null, across, -down);
    gl.uniform2f(this.shift ?? null, -camera.x * across, camera.y * down);
    gl.uniform1f(this.size ?? null, size);
    gl.uniform1f(this.grow ?? null, grow);
    gl.drawArrays(gl.POINTS, 0, Math.min(this.count, Math.ceil(most)));
  }
}
