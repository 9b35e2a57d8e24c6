// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice A token as bad as tokens are: it may keep a part of what it moves, say nothing
/// after moving it, and call whoever it was told to while it does.
contract StrangeToken {
    uint256 private immutable FEE_BPS;
    bool private immutable SILENT;
    mapping(address account => uint256) public balanceOf;
    address private _target;
    bytes private _data;

    constructor(uint256 feeBps, bool silent) {
        FEE_BPS = feeBps;
        SILENT = silent;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function callBack(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        address target = _target;
        _target = address(0);
        if (target != address(0)) {
            (bool ok, bytes memory answer) = target.call(_data);
            if (!ok) {
                assembly {
                    revert(add(answer, 32), mload(answer))
                }
            }
        }
        balanceOf[from] -= amount;
        balanceOf[to] += amount - (amount * FEE_BPS) / 10_000;
        if (SILENT) {
            assembly {
                return(0, 0)
            }
        }
        return true;
    }
}

/// @notice An account that is a contract: it does what it is told, and what it was told to when it is paid.
contract Visitor {
    enum Mood {
        Quiet,
        Refusing,
        Burning,
        CallingBack
    }

    Mood private _mood;
    address private _target;
    bytes private _data;
    /// @notice What its last call back ended with.
    bytes public answer;

    function be(Mood mood, address target, bytes calldata data) external {
        (_mood, _target, _data) = (mood, target, data);
        delete answer;
    }

    function act(address target, uint256 value, bytes calldata data) external payable returns (bytes memory) {
        (bool ok, bytes memory result) = target.call{value: value}(data);
        if (!ok) {
            assembly {
                revert(add(result, 32), mload(result))
            }
        }
        return result;
    }

    receive() external payable {
        if (_mood == Mood.Refusing) revert();
        if (_mood == Mood.Burning) {
            assembly {
                invalid()
            }
        }
        if (_mood == Mood.CallingBack) {
            (bool ok, bytes memory result) = _target.call(_data);
            answer = ok ? bytes("paid") : result;
        }
    }

    /// @notice ERC-1271: it signs whatever comes with the word "yes".
    function isValidSignature(bytes32, bytes calldata signature) external pure returns (bytes4) {
        return keccak256(signature) == keccak256("yes") ? this.isValidSignature.selector : bytes4(0);
    }
}
