// heap.js - the module's memory, seen from JavaScript: values in, values out, and the way back.
//
// What is taken within a scope is given back at its end. Views are made anew for each access, since
// memory that grows leaves old ones behind.

export class Heap {
    constructor(module) {
        this.module = module;
        this.taken = [];
    }

    /** Runs `body`; everything taken meanwhile is free behind it. */
    scope(body) {
        const before = this.taken.length;
        try {
            return body();
        } finally {
            for (const address of this.taken.splice(before)) {
                this.module._free(address);
            }
        }
    }

    /** Memory for the present scope; a RangeError without. */
    take(bytes) {
        const address = bytes <= 0x7fffffff ? this.module._malloc(Math.max(1, bytes)) : 0;
        if (address === 0) {
            throw new RangeError(`no memory for ${bytes} bytes`);
        }
        this.taken.push(address);
        return address;
    }

    /** The address of a copy of some bytes. */
    bytes(values) {
        const address = this.take(values.length);
        this.module.HEAPU8.set(values, address);
        return address;
    }

    /** The address of a copy of some floats; 0 for none. */
    floats(values) {
        if (!values) {
            return 0;
        }
        const address = this.take(values.length * 4);
        this.module.HEAPF32.set(values, address >> 2);
        return address;
    }

    /** A struct of 32-bit words: whole numbers and truth values, floats, whole numbers. */
    words(first, floats, last) {
        const address = this.take((first.length + floats.length + last.length) * 4);
        let at = address >> 2;
        for (const value of first) {
            this.module.HEAP32[at++] = Number(value);
        }
        for (const value of floats) {
            this.module.HEAPF32[at++] = value;
        }
        for (const value of last) {
            this.module.HEAPU32[at++] = value;
        }
        return address;
    }

    /** The address of a text with its ending zero. */
    string(text) {
        const bytes = this.module.lengthBytesUTF8(text) + 1,
            address = this.take(bytes);
        this.module.stringToUTF8(text, address, bytes);
        return address;
    }

    /** The address of an array of such addresses. */
    strings(texts) {
        const addresses = texts.map((text) => this.string(text));
        const address = this.take(addresses.length * 4);
        this.module.HEAPU32.set(addresses, address >> 2);
        return address;
    }

    /** The text at an address. */
    text(address) {
        return this.module.UTF8ToString(address);
    }

    /** A copy of floats. */
    copyFloats(address, count) {
        return this.module.HEAPF32.slice(address >> 2, (address >> 2) + count);
    }
}
